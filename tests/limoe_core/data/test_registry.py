"""A new data set is an object: all that trains, evaluates and shows takes it as it is."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from limoe_core import evaluate
from limoe_core.config import Config, ConfigError, DataConfig
from limoe_core.data import fetch
from limoe_core.data.catalogue import PreparedSet
from limoe_core.data.emoji import EMOJI
from limoe_core.data.registry import DATA_SETS, data_set
from limoe_core.data.source import load_pairs
from limoe_core.presets import preset
from limoe_core.runs import Predictions
from limoe_core.training.loop import train

from .made_up_set import Shapes, concepts


@pytest.fixture
def shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataConfig:
    """Settings of a made-up set, which is registered as long as the test runs."""
    monkeypatch.setitem(DATA_SETS, Shapes.name, Shapes())
    return DataConfig(name=Shapes.name, dir=str(tmp_path / "data"), batch_size=8)


def test_every_set_is_found_by_its_name() -> None:
    assert data_set(DataConfig()) is EMOJI
    for name, found in DATA_SETS.items():
        assert found.name == name
        assert data_set(DataConfig(name=name)) is found
        assert found.languages[0] == "en"
        assert set(found.unseen) <= set(found.tasks)
    other = data_set(DataConfig(name="of_someone_else"))
    assert isinstance(other, PreparedSet)
    assert (other.name, other.can_build, other.unseen) == ("of_someone_else", False, ())


def test_a_set_that_nobody_registered_must_be_prepared(tmp_path: Path) -> None:
    config = DataConfig(name=Shapes.name, dir=str(tmp_path))
    assert not data_set(config).is_ready(config)
    with pytest.raises(ConfigError, match=f"{Shapes.name} is not in {tmp_path}; prepare it with"):
        load_pairs(config, "train")


def test_a_new_set_is_built_on_first_use_and_not_when_told_so(shapes: DataConfig) -> None:
    with pytest.raises(ConfigError, match="no shapes in .*; training draws them"):
        load_pairs(shapes, "train", build=False)
    pairs = load_pairs(shapes, "train")
    assert (pairs.name, len(pairs)) == (f"{Shapes.name}/plain:1", 9)
    assert load_pairs(shapes, "new_hand", build=False).style.tolist() == ["ink"] * 9
    other = replace(shapes, config="glossy", dir=str(Path(str(shapes.dir)) / "other"))
    assert load_pairs(other, "train").name == f"{Shapes.name}/glossy:1"


def test_a_new_set_has_its_art_fetched(
    shapes: DataConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["fetch", shapes.name, "--dir", str(shapes.dir)])
    assert fetch.main() == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{shapes.name}: brushes, 1 kB"
    assert said[1].startswith(f"{shapes.name}: 1 packages fetched to {shapes.dir}")


def settings(data: DataConfig) -> Config:
    config = preset("debug")
    model = replace(config.model, vocab_size=290, layers=1)
    steps = replace(config.train, steps=2, evaluate_every=2, checkpoint_every=2, probe_pairs=4)
    return replace(config, model=model, data=data, train=steps)


@pytest.mark.training
def test_a_new_set_is_trained_on_and_evaluated_as_it_says(
    shapes: DataConfig, tmp_path: Path
) -> None:
    run = train(tmp_path / "run", settings(shapes))
    assert run.info["data"]["name"] == f"{Shapes.name}/plain:1"
    validation = next(line["validation"] for line in run.metrics() if "validation" in line)
    assert (validation["ways"], validation["ways_all"]) == (9, 12)

    results = evaluate.evaluate(evaluate.Arguments(run.path, json=True))["results"]
    assert set(results) == {
        *("zero_shot_new_hand", "retrieval_new_hand"),
        *("zero_shot_new_shape", "zero_shot_new_shape_all", "retrieval_new_shape"),
    }
    assert results["zero_shot_new_hand"]["ways"] == 12
    assert results["zero_shot_new_shape"]["ways"] == 3
    assert list(results["zero_shot_new_hand"]["languages"]) == ["en", "de"]
    assert results["zero_shot_new_hand"]["prompt_ensemble"]["templates"] == ["{}", "a {} on white"]
    stored = Predictions.load(run.path, "zero_shot_new_hand", 2)
    np.testing.assert_array_equal(stored.keys, concepts().keys)

    arguments = evaluate.Arguments(run.path, tasks=("linear_probe",), json=True, store=False)
    probe = evaluate.evaluate(arguments)["results"]["linear_probe"]
    assert probe["class_names"] == ["bar", "frame", "square", "stripe"]
    assert (probe["split"], probe["n"]) == ("new_hand", 9)
