"""Nearest labelled pictures, against plain loops and a picture whose answer is known."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from limoe_core.config import DataConfig
from limoe_core.data.registry import data_set
from limoe_core.evaluation.familiarity import NAMED, NEW
from limoe_core.evaluation.neighbours import (
    FEATURES,
    can_be_asked,
    hog,
    nearest_pictures,
    some_of_each,
)
from limoe_core.evaluation.scoring import guessing
from limoe_core.evaluation.splits import evaluate_split
from limoe_core.evaluation.zero_shot import NameEmbeddings
from tests.limoe_core.data.made_up_set import Shapes


def hog_by_loops(picture: np.ndarray) -> list[float]:
    """Nine orientations, cells of 8, blocks of 2 by 2, L2-Hys, one number at a time."""
    side = len(picture)
    cells = side // 8
    histogram = np.zeros((cells, cells, 9))
    for row in range(cells * 8):
        for column in range(cells * 8):
            down = picture[row + 1, column] - picture[row - 1, column] if 0 < row < side - 1 else 0
            inside = 0 < column < side - 1
            right = picture[row, column + 1] - picture[row, column - 1] if inside else 0
            turn = math.degrees(math.atan2(down, right)) % 180
            place = min(int(turn / 20), 8)
            histogram[row // 8, column // 8, place] += math.hypot(down, right) / 64
    found: list[float] = []
    for row in range(cells - 1):
        for column in range(cells - 1):
            block = histogram[row : row + 2, column : column + 2].reshape(-1)
            block = block / math.sqrt(float(block @ block) + 1e-10)
            block = np.minimum(block, 0.2)
            found += (block / math.sqrt(float(block @ block) + 1e-10)).tolist()
    return found


def test_hog_agrees_with_loops() -> None:
    pictures = np.random.default_rng(0).random((3, 32, 32))
    for picture, found in zip(pictures, hog(pictures), strict=True):
        np.testing.assert_allclose(found, hog_by_loops(picture), atol=1e-9)


@pytest.fixture
def splits(tmp_path):
    shapes = Shapes()
    config = DataConfig(name=shapes.name, config="plain", dir=str(tmp_path))
    shapes.build(config)
    return {name: shapes.load(config, name) for name in ("train", "new_hand", "new_shape")}


def test_each_picture_has_the_name_of_the_nearest(splits) -> None:
    asked, known = splits["new_hand"], splits["train"]
    assert can_be_asked(asked, known)
    assert not can_be_asked(splits["new_shape"], known), "nobody has labelled pictures of these"
    found = nearest_pictures(asked, known, "en")
    assert found.keys() == FEATURES.keys()
    for name, features in FEATURES.items():
        white = [
            np.where(pairs.pictures.pixels[..., 3:] > 0, pairs.pictures.pixels[..., :3], 255) / 255
            for pairs in (asked, known)
        ]
        one, other = (features(pictures.astype(np.float32)) for pictures in white)
        right = []
        for row, concept in zip(one, asked.concept, strict=True):
            distances = [float(np.sum((row - each) ** 2)) for each in other]
            right.append(known.concept[int(np.argmin(distances))] == concept)
        assert found[name]["top1"]["value"] == pytest.approx(np.mean(right))
    # Colours tell most of the shapes' colours, outlines their form.
    assert found["hog_colour"]["top1"]["value"] > 0.6


def test_part_by_part_finds_what_all_at_once_does(splits, monkeypatch) -> None:
    asked, known = splits["new_hand"], splits["train"]
    whole = nearest_pictures(asked, known, "en")
    monkeypatch.setattr("limoe_core.evaluation.neighbours._AT_ONCE", 2)
    assert nearest_pictures(asked, known, "en") == whole


def test_of_many_pictures_every_concept_keeps_some() -> None:
    concept = np.repeat([4, 7, 9], [50, 3, 1])
    np.testing.assert_array_equal(some_of_each(concept, 54, 0), np.arange(54))
    places = some_of_each(concept, 12, 0)
    assert np.all(np.diff(places) > 0)
    assert np.bincount(concept[places], minlength=10)[[4, 7, 9]].tolist() == [4, 3, 1]
    assert len(some_of_each(concept, 1, 0)) == 3, "at least one of each"


def test_guessing_is_a_random_order_of_the_classes() -> None:
    rng = np.random.default_rng(0)
    right, classes = np.array([1, 2, 5]), 7
    for k in (1, 5):
        hits = [
            any(place < k for place in rng.permutation(classes)[:count])
            for count in right
            for _ in range(4000)
        ]
        wanted = np.mean(hits)
        assert guessing(right, classes, k) == pytest.approx(wanted, abs=0.02)
    assert guessing(np.array([1]), 3, 5) == 1


def test_results_have_chance_baselines_and_strata(splits) -> None:
    asked = splits["new_hand"]
    rng = np.random.default_rng(0)
    table = asked.concepts
    names = NameEmbeddings(
        {language: rng.normal(size=(len(table), 4)).astype(np.float32) for language in table.names}
    )

    class Random:
        def encode_images(self, images):
            return rng.normal(size=(len(images), 4)).astype(np.float32)

    strata = np.where(table.category == "bar", "bars", "rest")
    results, predictions = evaluate_split(
        Random(),
        asked,
        names,
        ("all",),
        strata=strata,
        familiarity=np.where(table.category == "bar", NAMED, NEW),
        labelled=splits["train"],
    )
    result = results["zero_shot_new_hand"]
    assert result["chance"] == {"top1": pytest.approx(1 / 12), "top5": pytest.approx(5 / 12)}
    assert result["nearest_picture"].keys() == FEATURES.keys()
    assert {name: each["n"] for name, each in result["strata"].items()} == {"bars": 3, "rest": 6}
    assert {name: each["n"] for name, each in result["familiarity"].items()} == {NAMED: 3, NEW: 6}
    unnamed = result["not_named"]
    assert (unnamed["n"], unnamed["top1"]) == (6, result["familiarity"][NEW]["top1"])
    answers = predictions["zero_shot_new_hand"]
    assert (answers.familiarity == np.where(answers.stratum == "bars", NAMED, NEW)).all()


def test_strata_of_emoji_are_flags_siblings_and_the_rest() -> None:
    table = dataclasses.replace(
        _table(),
        keys=np.array(["1F1E8-1F1F6", "1F34E", "1F3C4-200D-2640", "1F3C4-200D-2642"]),
        category=np.array(["Flags", "Food & Drink", "People & Body", "People & Body"]),
    )
    strata = data_set(DataConfig(name="emoji")).strata(table)
    assert strata is not None
    assert strata.tolist() == ["flags", "rest", "siblings", "siblings"]


def _table():
    from tests.limoe_core.data.made_up_set import concepts

    return concepts()
