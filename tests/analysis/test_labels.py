from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import analysis
from analysis.scripts import script


@pytest.mark.parametrize(
    ("piece", "wanted"),
    [
        ("▁apple", "Latin"),
        ("çocuğu", "Latin"),
        ("кот", "Cyrillic"),
        ("▁яблоко", "Cyrillic"),
        ("تفاحة", "Arabic"),
        ("پرچم", "Arabic"),
        ("赤", "Han"),
        ("りんご", "Hiragana"),
        ("リンゴー", "Katakana"),
        ("사과", "Hangul"),
        ("ｱ", "Katakana"),
        ("Ａ", "Latin"),
        ("<0xE2>", "Byte"),
        ("▁", "Space"),
        ("", "Space"),
        ("▁12", "Digit"),
        ("!?", "Symbol"),
        ("ᚠᚢ", "Runic"),
        ("ーター", "Katakana"),
        ("ー", "Common"),
        ("々", "Han"),
        ("a赤赤", "Han"),
    ],
)
def test_script_of_a_piece(piece, wanted):
    assert script(piece) == wanted


def test_words_join_the_pieces_between_word_marks(trace):
    words = analysis.token_labels(trace, "word")
    for pair in range(trace.num_pairs):
        mine = (trace.pair == pair) & (trace.modality == 1)
        text = "".join(trace.piece[mine])
        wanted = text.strip("▁").split("▁")
        assert list(dict.fromkeys(words[mine])) == wanted
    assert (words[trace.modality == 0] == "").all()


def test_a_text_that_starts_without_a_word_mark_is_a_word_of_its_own(trace):
    bare = np.char.replace(trace.piece, "▁", "")
    words = analysis.token_labels(dataclasses.replace(trace, piece=bare), "word")
    assert "redapple" in words
    assert "gato" in words


def test_labels_belong_to_their_own_modality(trace):
    image = trace.modality == 0
    for by in ("script", "piece", "word"):
        labels = analysis.token_labels(trace, by)
        assert (labels[image] == "").all()
        assert (labels[~image] != "").all()
    position = analysis.token_labels(trace, "position")
    assert set(position[image]) == {"0,0", "0,1", "1,0", "1,1"}
    assert position[~image].tolist() == trace.position[~image].astype(str).tolist()
    assert (analysis.token_labels(trace, "category") == trace.meta["category"][trace.pair]).all()


def test_an_unknown_label_names_those_there_are(trace):
    with pytest.raises(analysis.AnalysisError, match="'colour'.*script.*category"):
        analysis.token_labels(trace, "colour")


def test_words_spell_out_byte_pieces(trace):
    pieces = trace.piece.astype(object)
    at = np.flatnonzero((trace.pair == 0) & (trace.modality == 1))
    pieces[at] = ["▁x", "<0xE6>", "<0x98>"]
    torn = analysis.token_labels(dataclasses.replace(trace, piece=pieces.astype(str)), "word")
    assert set(torn[at]) == {"x<0xE6><0x98>"}
    pieces[at] = ["<0xE6>", "<0x98>", "<0x82>"]
    whole = analysis.token_labels(dataclasses.replace(trace, piece=pieces.astype(str)), "word")
    assert set(whole[at]) == {"昂"}
