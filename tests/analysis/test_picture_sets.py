"""Sets of pictures: each with what is known of it, in the order of what they come from."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import analysis
from analysis.picture_sets import picture_set
from limoe_core.config import DataConfig
from limoe_core.data.pairs import ArrayPictures, ConceptTable, PairSet
from limoe_core.runs import Run
from tests.shipped import LIMOE

NAMES = {
    "en": np.array(["red apple", "dog", "heart"]),
    "ar": np.array(["تفاحة حمراء", "كلب", "heart"]),
}


def pairs_of(split: str, seed: int = 0) -> PairSet:
    """Five pictures of three concepts."""
    concept = np.array([2, 0, 0, 1, 2], np.int32)
    table = ConceptTable(
        keys=np.array(["1F34E", "1F415", "2764"]),
        names=NAMES,
        aliases=[()] * 3,
        category=np.array(["Food", "Animals", "Symbols"]),
    )
    pixels = np.random.default_rng(seed).integers(0, 256, (5, 72, 72, 4)).astype(np.uint8)
    return PairSet(
        name="emoji/base:1.0.0",
        split=split,
        pictures=ArrayPictures(pixels),
        concept=concept,
        style=np.array(["noto", "twemoji", "noto", "noto", "twemoji"]),
        category=table.category[concept],
        concepts=table,
    )


def test_splits_may_have_concepts_of_their_own() -> None:
    first = pairs_of("test", 1)
    names = {"en": np.array(["a", "b"]), "ar": np.array(["c", "d"])}
    keys, none = np.array(["0a", "0b"]), np.array(["", ""])
    own = ConceptTable(keys=keys, names=names, aliases=[(), ()], category=none)
    second = replace(
        first,
        split="validation",
        concept=np.array([1, 0, 1, 0, 1], np.int32),
        category=np.array(["x"] * 5),
        concepts=own,
    )
    found = picture_set([first, second])
    assert found.known["name"].tolist()[5:] == ["b", "a", "b", "a", "b"]
    assert found.known["category"].tolist()[5:] == ["x"] * 5
    assert found.texts["en"] == ("red apple", "dog", "heart", "a", "b")


def test_splits_may_have_names_in_other_languages() -> None:
    emoji, icons = pairs_of("emoji_test", 1), pairs_of("icons_test", 2)
    keys, none = np.array(["x", "y", "z"]), np.array(["", "", ""])
    english = ConceptTable(
        keys=keys, names={"en": np.array(["a", "b", "c"])}, aliases=[()] * 3, category=none
    )
    icons = replace(icons, concepts=english)
    for sets, first in (([emoji, icons], 0), ([icons, emoji], 3)):
        found = picture_set(sets)
        assert len(found.texts["en"]) == len(found.texts["ar"]) == 6
        assert found.texts["ar"][first : first + 3] == tuple(NAMES["ar"])
        assert found.names(["ar"])["text"].tolist() == [*NAMES["ar"]]


def test_splits_follow_each_other_picture_by_picture() -> None:
    sets = [pairs_of("test_style", 1), pairs_of("validation", 2)]
    found = picture_set(sets)
    place = 0
    for pairs in sets:
        for index in range(len(pairs)):
            assert np.array_equal(found.pictures[place], pairs.pictures[index])
            concept = int(pairs.concept[index])
            assert found.known.iloc[place].to_dict() == {
                "key": str(pairs.concepts.keys[concept]),
                "name": str(NAMES["en"][concept]),
                "category": str(pairs.category[index]),
                "style": str(pairs.style[index]),
                "split": pairs.split,
            }
            place += 1
    assert place == len(found.known) == len(found.pictures)


def test_names_are_texts_none_twice() -> None:
    found = picture_set([pairs_of("validation")])
    both = found.names(["en", "ar"])
    assert both["text"].tolist() == ["red apple", "dog", "heart", "تفاحة حمراء", "كلب"]
    assert both["language"].tolist() == ["en", "en", "en", "ar", "ar"]
    assert found.names(["ar"])["text"].tolist() == ["تفاحة حمراء", "كلب", "heart"]
    assert found.names()["text"].tolist() == ["heart", "red apple", "dog"]  # as pictures come


def test_pictures_of_the_data_set_are_of_the_splits_held_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def load(config: DataConfig, split: str, *, build: bool, progress: bool) -> PairSet:
        asked.append((split, build))
        return pairs_of(split)

    monkeypatch.setattr("limoe_core.data.source.load_pairs", load)
    told: list[tuple[int, int]] = []
    found = analysis.data_pictures(DataConfig(), progress=lambda *done: told.append(done))
    unseen = ["test_style", "test_concept", "validation"]
    assert asked == [(split, False) for split in unseen]  # and nothing is built
    assert told == [(0, 3), (1, 3), (2, 3)]
    assert found.known["split"].unique().tolist() == unseen


def test_probe_pictures_are_those_of_the_run() -> None:
    run = LIMOE
    found, trace = analysis.probe_pictures(run), run.probe(run.probe_steps()[-1])
    pictures = run.probe_pictures()
    assert pictures is not None
    assert np.array_equal(found.pictures, pictures)
    for column, values in (("name", "name"), ("key", "concept"), ("style", "style")):
        assert found.known[column].tolist() == [str(value) for value in trace.meta[values]]
    assert not found.texts
    assert found.name == run.name


def test_a_run_without_probe_pictures_is_told(tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    shutil.copy(LIMOE.path / "config.json", tmp_path / "bare")
    with pytest.raises(analysis.AnalysisError, match="bare keeps no probe pictures"):
        analysis.probe_pictures(Run.open(tmp_path / "bare"))
