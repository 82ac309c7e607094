"""Single answers of an evaluation, as they lie in the run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from limoe_core.runs import RunError
from limoe_core.runs.predictions import Predictions


def some_predictions() -> Predictions:
    """Three pictures of two concepts, two languages, two answers each."""
    return Predictions(
        data=np.array("emoji/base:1.0.0"),
        split=np.array("test_style"),
        languages=np.array(["en", "es"]),
        keys=np.array(["1F34E", "1F415", "1F3E0"]),
        names=np.array(["red apple", "dog", "house"]),
        picture=np.arange(3, dtype=np.int32),
        concept=np.array([0, 1, 1], np.int32),
        style=np.array(["twemoji", "twemoji", "openmoji"]),
        category=np.array(["Food & Drink", "Animals & Nature", "Animals & Nature"]),
        ranks=np.array([[0, 1, 2], [0, 0, 1]], np.int32),
        top=np.array([[[0, 1], [0, 1], [2, 0]], [[0, 1], [1, 0], [2, 1]]], np.int32),
        similarity=np.full((2, 3, 2), 0.5, np.float32),
        categories=np.array(["Food & Drink", "Animals & Nature", "Travel & Places"]),
    )


def test_predictions_come_back_as_they_were_saved(tmp_path: Path) -> None:
    before = some_predictions()
    before.save(tmp_path, "zero_shot_test_style", 10)
    after = Predictions.load(tmp_path, "zero_shot_test_style", 10)
    for name in ("data", "languages", "keys", "concept", "ranks", "top", "categories"):
        assert np.array_equal(getattr(after, name), getattr(before, name)), name


def test_predictions_without_categories_are_read_too(tmp_path: Path) -> None:
    path = some_predictions().save(tmp_path, "zero_shot_test_style", 10)
    with np.load(path, allow_pickle=False) as file:
        earlier = {name: file[name] for name in file.files if name != "categories"}
    np.savez_compressed(path, **earlier)
    assert len(Predictions.load(tmp_path, "zero_shot_test_style", 10).categories) == 0


@pytest.mark.parametrize("lost", ["top", "ranks"])
def test_a_file_that_lacks_a_part_is_refused_with_a_sentence(tmp_path: Path, lost: str) -> None:
    path = some_predictions().save(tmp_path, "zero_shot_test_style", 10)
    with np.load(path, allow_pickle=False) as file:
        rest = {name: file[name] for name in file.files if name != lost}
    np.savez_compressed(path, **rest)
    with pytest.raises(RunError, match="damaged or incomplete"):
        Predictions.load(tmp_path, "zero_shot_test_style", 10)


def test_predictions_that_were_never_made_say_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="python -m limoe_core.evaluate"):
        Predictions.load(tmp_path, "zero_shot_test_style", 10)


def test_the_category_of_an_answer_is_known_though_no_picture_shows_it() -> None:
    import analysis

    frame = analysis.category_confusions(some_predictions())
    counts = {
        (row["category"], row["answer_category"]): row["count"] for row in frame.to_dict("records")
    }
    assert counts == {
        ("Food & Drink", "Food & Drink"): 1,
        ("Animals & Nature", "Food & Drink"): 1,
        ("Animals & Nature", "Travel & Places"): 1,
    }
