"""Example pictures that go along with a run."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import analysis
from limoe_core.data.dataset import DataSet
from limoe_core.evaluation import examples
from limoe_core.runs import Run, RunError
from limoe_core.runs.export import export_records
from tests.app.evaluated_runs import some_pairs
from tests.app.example_runs import small_config


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", small_config())


@pytest.fixture(autouse=True)
def splits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A data set of two splits that training never saw."""

    def load(config: object, split: str, **_: object) -> object:
        return dataclasses.replace(some_pairs(split), split=split)

    class Known(DataSet):
        unseen = ("test_style", "test_concept")

    monkeypatch.setattr(examples, "data_set", lambda config: Known)
    monkeypatch.setattr(examples, "load_pairs", load)


def test_concepts_are_shown_once_and_most_are_of_the_first_split(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examples, "_OF_FIRST", 4)
    monkeypatch.setattr(examples, "_OF_OTHERS", 2)
    assert examples.keep_examples(run, run.config.data, side=72)
    kept = run.examples()
    assert kept is not None
    pictures, known = kept
    assert known["split"] == ["test_style"] * 4 + ["test_concept"] * 2
    assert len(set(known["key"][:4])) == 4
    assert len(set(known["category"][:4])) == 4  # from each category in turn
    pairs = some_pairs()
    for picture, key, style, name in zip(
        pictures, known["key"], known["style"], known["name"], strict=True
    ):
        concept = pairs.concepts.keys.tolist().index(key)
        at = np.flatnonzero((pairs.concept == concept) & (pairs.style == style))
        np.testing.assert_array_equal(picture, pairs.pictures.batch(at)[0])
        assert name == pairs.concepts.names["en"][concept]


def test_what_a_run_has_is_left_alone_and_goes_along_when_it_ships(
    run: Run, tmp_path: Path
) -> None:
    assert examples.keep_examples(run, run.config.data, side=72)
    assert not examples.keep_examples(run, run.config.data, side=72)
    shipped = Run.create(tmp_path / "shipped", small_config())
    export_records(run, shipped)
    found = analysis.example_pictures(shipped)
    assert found.known["name"].tolist() == analysis.example_pictures(run).known["name"].tolist()
    assert found.known.columns.tolist() == ["key", "name", "category", "style", "split"]


def test_a_run_without_examples_says_so(run: Run) -> None:
    assert run.examples() is None
    with pytest.raises(analysis.AnalysisError, match="no example pictures"):
        analysis.example_pictures(run)


@pytest.mark.parametrize("fault", ["torn", "sides", "known", "kind"])
def test_damaged_examples_are_told_in_a_sentence(run: Run, fault: str) -> None:
    pictures = np.zeros((2, 8, 4 if fault == "sides" else 8, 3), np.uint8)
    known = {key: ["a", "b"] for key in ("key", "name", "category", "style", "split")}
    if fault == "known":
        known["name"] = ["a"]
    run.save_examples(pictures.astype(float) if fault == "kind" else pictures, known)
    if fault == "torn":
        file = run.path_of("examples")
        file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(RunError):
        run.examples()
