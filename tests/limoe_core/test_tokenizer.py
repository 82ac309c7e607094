"""The tokenizer: any text has tokens, and what does not fit is known to the letter."""

from __future__ import annotations

import io
import time
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from limoe_core.config import ConfigError
from limoe_core.data.emoji.concepts import read_concepts
from limoe_core.tokenizer import Tokenizer
from tests.shipped import LIMOE

LENGTH = 16


def captions() -> list[str]:
    """English, German, Japanese and Arabic names: many scripts in a second's training."""
    return [
        concept.names[language]
        for concept in read_concepts()
        for language in ("en", "de", "ja", "ar")
    ]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(captions(), 3000)


@pytest.fixture(scope="module")
def reference(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.model"
    tokenizer.save(path)
    return path


def test_it_is_a_sentencepiece_model_that_others_read(
    tokenizer: Tokenizer, reference: Path
) -> None:
    plain = sentencepiece.SentencePieceProcessor(model_file=str(reference))
    assert plain.GetPieceSize() == tokenizer.vocab_size == 3000
    assert (plain.pad_id(), plain.unk_id(), plain.bos_id(), plain.eos_id()) == (0, 1, -1, -1)
    for text in ["a red apple", "赤リンゴ", "تفاح أحمر"]:
        assert tokenizer.encode_one(text, 99).ids.tolist() == plain.EncodeAsIds(text)


def test_saving_and_loading_changes_nothing(tokenizer: Tokenizer, reference: Path) -> None:
    texts = captions()[::50]
    loaded = Tokenizer.load(reference)
    np.testing.assert_array_equal(loaded.encode(texts, LENGTH), tokenizer.encode(texts, LENGTH))


def test_the_same_captions_in_any_order_give_the_same_tokenizer(
    tokenizer: Tokenizer, reference: Path, tmp_path: Path
) -> None:
    Tokenizer.train(reversed(captions()), 3000).save(tmp_path / "again.model")
    assert (tmp_path / "again.model").read_bytes() == reference.read_bytes()


def test_short_texts_are_filled_up_with_padding_alone(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode(["red apple", ""], LENGTH)
    assert ids.shape == (2, LENGTH)
    assert ids.dtype == np.int32
    tokens = tokenizer.encode_one("red apple", LENGTH).ids
    assert ids[0].tolist() == tokens.tolist() + [0] * (LENGTH - len(tokens))
    assert (tokens > 1).all()
    assert not ids[1].any()


@pytest.mark.parametrize("text", ["", " ", "\n\t  "])
def test_a_text_of_nothing_has_no_tokens(tokenizer: Tokenizer, text: str) -> None:
    encoded = tokenizer.encode_one(text, LENGTH)
    assert encoded.ids.size == 0
    assert encoded.pieces == []
    assert encoded.cut == ""


def test_case_and_width_do_not_matter(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode(["red apple", "RED Apple", "ｒｅｄ  ａｐｐｌｅ"], LENGTH)
    assert (ids == ids[0]).all()


@pytest.mark.parametrize("text", ["ᚠᚢᚦ", "ꦲꦏ꧀ꦱꦫ", "🦖", "𓀀", "\x00\x07", "\ud800"])
def test_unknown_characters_become_bytes(tokenizer: Tokenizer, text: str) -> None:
    encoded = tokenizer.encode_one(text, 64)
    assert 1 not in encoded.ids
    assert encoded.cut == ""


def test_a_rune_is_spelled_in_its_utf8_bytes(tokenizer: Tokenizer) -> None:
    pieces = [piece for piece in tokenizer.encode_one("ᚠ", 8).pieces if piece != "▁"]
    assert pieces == [f"<0x{byte:02X}>" for byte in "ᚠ".encode()]


@given(st.text(max_size=200), st.integers(1, 24))
def test_both_ways_to_encode_agree_and_the_cut_is_the_end(
    tokenizer: Tokenizer, text: str, length: int
) -> None:
    encoded = tokenizer.encode_one(text, length)
    row = tokenizer.encode([text], length)[0]
    assert row[row > 0].tolist() == encoded.ids.tolist()
    assert len(encoded.ids) == len(encoded.pieces) <= length
    assert tokenizer.pieces(row) == encoded.pieces
    assert text.endswith(encoded.cut)
    if not encoded.cut:
        # All of it fits: more room changes nothing.
        assert tokenizer.encode_one(text, 1000).ids.tolist() == encoded.ids.tolist()
    else:
        assert len(encoded.ids) == length


@pytest.mark.parametrize("length", [1, 2, 3, 5, 8])
@pytest.mark.parametrize(
    "text",
    [
        "a red apple on a green table",
        "赤いリンゴと緑のテーブル",
        "تفاح أحمر على طاولة خضراء",
        "Ａ  ＲＥＤ   apple ﬁnally",
        "ein roter apfel",
    ],
)
def test_what_was_read_and_what_was_cut_make_the_text(
    tokenizer: Tokenizer, text: str, length: int
) -> None:
    encoded = tokenizer.encode_one(text, length)
    read = text[: len(text) - len(encoded.cut)]
    alone = tokenizer.encode_one(read, length)
    assert alone.cut == ""
    # The part that was read says the same as its tokens do.
    spelled = "".join(encoded.pieces).replace("▁", "")
    assert "".join(alone.pieces).replace("▁", "") == spelled


def test_a_character_that_fits_in_part_counts_as_cut(tokenizer: Tokenizer) -> None:
    encoded = tokenizer.encode_one("ᚠᚢ", 5)  # ▁ and three bytes each
    assert encoded.cut == "ᚢ"


@pytest.mark.parametrize(
    "text",
    [
        "word " * 2000,
        "株" * 10_000,
        "شيء " * 2500,
        "x" * 10_000,
        "ᚠ" * 10_000,
        " " * 10_000 + "dog",
    ],
)
def test_ten_thousand_characters_are_quick_and_exact(tokenizer: Tokenizer, text: str) -> None:
    start = time.process_time()  # of this process: others may be busy too
    encoded = tokenizer.encode_one(text, LENGTH)
    assert time.process_time() - start < 1
    whole = tokenizer._processor.EncodeAsIds(text)
    assert encoded.ids.tolist() == whole[:LENGTH]
    assert text.endswith(encoded.cut)
    assert bool(encoded.cut) == (len(whole) > LENGTH)


@pytest.mark.parametrize(
    "text",
    [
        "woman's hat",
        "woman\u02bcs hat",
        "woman\uff07s\u00a0hat",
        "\ufeffwoman\u2019s hat\ufe0f",
        "wo\u00adman\u2019s\u200b hat\u202c",
        "woman\u2019s\nhat ",
    ],
)
def test_what_reads_the_same_has_the_same_tokens(tokenizer: Tokenizer, text: str) -> None:
    expected = tokenizer.encode_one("woman’s hat", LENGTH)
    assert not any(piece.startswith("<0x") for piece in expected.pieces)
    assert tokenizer.encode_one(text, LENGTH).pieces == expected.pieces


def test_the_cut_is_as_it_was_written(tokenizer: Tokenizer) -> None:
    text = "cafe\u0301\u200b  woman's\nhat \u200b"
    cuts = []
    for length in range(1, len(tokenizer.encode_one(text, 99).ids)):
        encoded = tokenizer.encode_one(text, length)
        assert text.endswith(encoded.cut)
        read = tokenizer.normal(text[: len(text) - len(encoded.cut)]).text
        assert "".join(encoded.pieces).replace("▁", " ").strip() == read
        cuts.append(encoded.cut)
    assert "e\u0301\u200b  woman's\nhat \u200b" in cuts
    assert "'s\nhat \u200b" in cuts


def test_a_vocabulary_of_typewriter_marks_keeps_them() -> None:
    """As of a tokenizer that was trained elsewhere."""
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(["woman's hat", "a dog's tail", 'the "top" of it'] * 20),
        model_writer=out,
        vocab_size=290,
        byte_fallback=True,
        pad_id=0,
        unk_id=1,
        bos_id=-1,
        eos_id=-1,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    tokenizer = Tokenizer(out.getvalue())
    for text in ("woman’s “hat”", 'woman\'s "hat"'):
        assert tokenizer.normal(text).text == 'woman\'s "hat"'


def test_the_shipped_tokenizer_reads_its_captions_as_they_were_written() -> None:
    tokenizer = Tokenizer.load(LIMOE.path_of("tokenizer"))
    for concept in read_concepts()[::20]:
        for caption in (*concept.names.values(), *concept.aliases, *concept.unicode_names):
            assert tokenizer.normal(caption).text == caption
            plain = tokenizer._processor.EncodeAsIds(caption)
            assert tokenizer.encode_one(caption, 999).ids.tolist() == plain


def test_captions_are_in_normal_form_when_a_tokenizer_is_trained() -> None:
    written = ["woman’s hat", "a “red” t-shirt", "the big dog", "a cat on a mat"]
    typed = ["woman's\u00a0hat", 'a "red" t–shirt', "the\u200b big dog", "a  cat on a\nmat "]
    one, other = (Tokenizer.train(captions, 281) for captions in (written, typed))
    assert one._model == other._model


def test_a_vocabulary_that_is_too_large_names_the_limit() -> None:
    with pytest.raises(ConfigError, match=r"model.vocab_size 5000 is more .* at most \d+"):
        Tokenizer.train(["red apple", "green apple", "dog", "cat"], 5000)


def test_a_vocabulary_that_is_too_small_says_why() -> None:
    with pytest.raises(ConfigError, match="model.vocab_size 300 is too small.* at least"):
        Tokenizer.train(captions(), 300)


def test_no_captions_are_an_error() -> None:
    with pytest.raises(ConfigError):
        Tokenizer.train([], 1000)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.model"
    path.write_bytes(b"this is not a model")
    with pytest.raises(ValueError, match="not a SentencePiece model"):
        Tokenizer.load(path)
