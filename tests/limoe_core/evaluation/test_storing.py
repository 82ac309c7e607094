"""What an evaluation stores: after it is printed, and never in the place of something else."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limoe_core import evaluate
from limoe_core.config import DataConfig
from limoe_core.data.identity import recorded
from limoe_core.data.pairs import ArrayPictures, PairSet
from limoe_core.data.registry import DATA_SETS
from limoe_core.data.source import load_pairs
from limoe_core.evaluation.embedding import silent
from limoe_core.evaluation.splits import Asker
from limoe_core.evaluation.storing import store
from limoe_core.presets import preset
from limoe_core.runs import Predictions, Run
from tests.limoe_core.data.made_up_set import Shapes

TASK = "zero_shot_test_style"


def result(**changes: Any) -> dict[str, Any]:
    """As the command makes them, in short."""
    question = {"split": "test_style", "data": "emoji/full:1.0.0", "digest": "a1", "seed": 0}
    return {**question, "classes": "all", "n": 213, "top1": {"value": 0.25}, **changes}


def answers(name: str = "emoji/full:1.0.0") -> Predictions:
    few = np.zeros((1, 2), np.int32)
    texts = np.array(["", ""])
    return Predictions(
        *(np.array(name), np.array("test_style"), np.array(["en"])),
        *(texts, texts, few[0], few[0], texts, texts, few, few[..., None]),
        np.zeros((1, 2, 1), np.float32),
        texts,
    )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run.create(tmp_path / "run", preset("debug"))
    for part in ("params", "opt_state"):
        (run.path_of("parameters", 20) / part).mkdir(parents=True)
    (run.path_of("parameters", 20) / "params" / "_METADATA").write_text("{}")
    store(run, 20, {TASK: result()}, {TASK: answers()})
    return run


def kept(run: Run) -> dict[str, Any]:
    return {
        name: value for name, value in run.stored_evaluation(TASK, 20).items() if name != "step"
    }


def test_the_same_question_asked_again_takes_the_place_of_its_answer(run: Run) -> None:
    again = result(top1={"value": 0.5})
    assert store(run, 20, {TASK: again}, {TASK: answers()}) == []
    assert kept(run) == again


@pytest.mark.parametrize("part", ["evaluations", "predictions"])
def test_nothing_is_stored_through_a_link_that_leads_out_of_the_run(
    run: Run, part: str, tmp_path: Path
) -> None:
    """The run may be a stranger's: what the link leads to would be copied to them, or written."""
    place = run.path / ("evaluations.json" if part == "evaluations" else part)
    other = tmp_path / "other"
    place.rename(tmp_path / "away")
    if part == "evaluations":
        other.write_text('{"password": "secret"}')
    else:
        other.mkdir()
    place.symlink_to(other)
    (said,) = store(run, 20, {"new": result()}, {"new": answers()} if other.is_dir() else {})
    assert "a link that leads out" in said
    assert place.is_symlink()
    assert not any(other.iterdir()) if other.is_dir() else "secret" in other.read_text()


@pytest.mark.parametrize(
    "change",
    [
        {"data": "emoji/base:1.0.0", "digest": "b2", "n": 81},
        {"digest": "b2"},
        {"seed": 1},
        {"classes": "split"},
    ],
)
def test_another_question_leaves_the_stored_answer_alone(run: Run, change: dict[str, Any]) -> None:
    other = result(**change)
    told = store(run, 20, {TASK: other}, {TASK: answers("emoji/base:1.0.0")})
    assert len(told) == 1
    assert f"keeps its results of {TASK} at step 20" in told[0]
    assert "--replace" in told[0]
    assert kept(run) == result()
    assert str(Predictions.load(run.path, TASK, 20).data) == "emoji/full:1.0.0"
    assert store(run, 20, {TASK: other}, {}, replace=True) == []
    assert kept(run) == other


def test_results_of_earlier_versions_are_compared_by_name(run: Run) -> None:
    old = {name: value for name, value in result().items() if name != "digest"}
    run.store_evaluation(TASK, 20, {"step": 20, **old})
    assert store(run, 20, {TASK: result(data="emoji/base:1.0.0")}, {}) != []
    assert kept(run) == old
    assert store(run, 20, {TASK: result()}, {}) == []
    assert kept(run) == result()


def test_results_that_ship_stay_unless_asked_for(run: Run) -> None:
    (run.path_of("parameters", 20) / "opt_state").rmdir()
    again, new = result(top1={"value": 0.3}), result(split="validation")
    told = store(run, 20, {TASK: again, "zero_shot_validation": new}, {})
    assert len(told) == 1
    assert f"ships with its results of {TASK} at step 20, so they stay" in told[0]
    assert kept(run) == result()
    assert run.stored_evaluation("zero_shot_validation", 20), "what it has not yet, it may get"
    assert store(run, 20, {TASK: again}, {}, replace=True) == []
    assert kept(run) == again


# ---- data of another content


@pytest.fixture
def shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run that was trained on a set that only this test knows."""
    monkeypatch.setitem(DATA_SETS, Shapes.name, Shapes())
    data = DataConfig(name=Shapes.name, config="plain", dir=str(tmp_path / "data"), batch_size=8)
    splits = {split: load_pairs(data, split) for split in ("train", "validation")}
    config = replace(preset("debug"), data=data)
    return Run.create(tmp_path / "shapes", config, data=recorded(data, splits))


def asker(run: Run, data: DataConfig) -> Asker:
    found = Asker(None, run, data, 72, 0, silent, False)  # type: ignore[arg-type]
    found.compare()
    return found


def test_the_same_data_has_the_run_s_own_names_wherever_it_lies(
    shapes: Run, tmp_path: Path
) -> None:
    elsewhere = replace(shapes.config.data, dir=str(tmp_path / "elsewhere"))
    for data in (shapes.config.data, elsewhere):
        asked = asker(shapes, data)
        assert asked.set_name == ""
        assert asked.notes == []


def test_another_config_has_names_of_its_own(shapes: Run, tmp_path: Path) -> None:
    data = replace(shapes.config.data, config="glossy", dir=str(tmp_path / "glossy"))
    load_pairs(data, "train")
    asked = asker(shapes, replace(data, batch_size=4))
    # Only the config differs here, and the pictures are the same: that is the same data.
    assert asked.set_name == ""


def test_other_content_has_names_of_its_own_and_is_told(
    shapes: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = Shapes.load

    def repainted(self: Shapes, config: Any, split: str, **options: Any) -> PairSet:
        pairs = load(self, config, split, **options)
        pixels = pairs.pictures.batch(np.arange(len(pairs))) // 2
        return replace(pairs, pictures=ArrayPictures(pixels))

    monkeypatch.setattr(Shapes, "load", repainted)
    asked = asker(shapes, shapes.config.data)
    assert asked.set_name.startswith("made_up_shapes_plain_1_")
    (note,) = asked.notes
    assert "shapes was trained on made_up_shapes/plain:1" in note
    assert asked.set_name in note
    other = asker(shapes, replace(shapes.config.data, name="of_someone_else"))
    assert other.set_name == "of_someone_else"


# ---- the command


@pytest.fixture
def evaluated(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command finds this result of this run."""

    def opened(self: evaluate.Evaluation, arguments: Any, progress: Any = silent) -> None:
        self.run, self._arguments, self._answers = run, arguments, {}
        self.model = type("Model", (), {"step": 20})()  # type: ignore[assignment]
        self.results = {}
        self.experts, self._known, self._tasks = None, [], []
        self._ask = Asker(self.model, run, run.config.data, 72, 0, silent, False)

    def ask(self: evaluate.Evaluation) -> None:
        self.results["zero_shot_validation"] = result(split="validation")

    monkeypatch.setattr(evaluate.Evaluation, "__init__", opened)
    monkeypatch.setattr(evaluate.Evaluation, "ask", ask)
    return run


def test_results_are_printed_before_they_are_stored(
    evaluated: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any) -> None:
        assert "zero_shot_validation" in capsys.readouterr().out
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Run, "store_evaluation", full)
    assert evaluate.main(["--run", str(evaluated.path), "--json"]) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert "warning: the results are not stored in" in told
    assert "No space left on device" in told


def test_what_was_found_is_printed_and_stored_even_if_a_later_task_fails(
    evaluated: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = evaluate.Evaluation.ask

    def interrupted(self: evaluate.Evaluation) -> None:
        ask(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate.Evaluation, "ask", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evaluate.main(["--run", str(evaluated.path), "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert list(printed["results"]) == ["zero_shot_validation"]
    assert evaluated.stored_evaluation("zero_shot_validation", 20)


def test_what_cannot_be_printed_is_stored_all_the_same(
    evaluated: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(*_: Any, **__: Any) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(evaluate, "_print", closed)
    with pytest.raises(BrokenPipeError):
        evaluate.main(["--run", str(evaluated.path)])
    assert evaluated.stored_evaluation("zero_shot_validation", 20)


def test_the_function_warns_of_what_it_could_not_store(
    evaluated: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Run, "store_evaluation", read_only)
    with pytest.warns(UserWarning, match="not stored in .*Permission denied"):
        report = evaluate.evaluate(evaluate.Arguments(evaluated.path))
    assert report["results"]["zero_shot_validation"]["n"] == 213
