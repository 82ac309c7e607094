"""Parts of runs with wrong content, refused where they are read."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.resilience.hostile import tampered_traces
from limoe_core import confined
from limoe_core.runs import Run, RunError, list_runs, metrics
from limoe_core.runs import listing as listing_of_runs
from limoe_core.trace import RoutingTrace, TraceError
from tests.limoe_core.runs.examples import DEBUG, params_at, shapes, small_trace
from tests.limoe_core.runs.test_predictions import some_predictions

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


# ---- the list of runs


def test_whatever_goes_wrong_with_one_run_is_a_reason_and_the_others_are_listed(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("closed", "odd"):
        Run.create(run.path.parent / name, DEBUG)
    opened = Run.open

    def failing(path: Path, **options: Any) -> Run:
        if path.name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        if path.name == "odd":
            raise ZeroDivisionError("x" * 10_000)
        return opened(path, **options)

    monkeypatch.setattr(listing_of_runs.Run, "open", failing)
    listed = {each.name: each.error for each in list_runs(run.path.parent)}
    assert listed["a-run"] is None
    assert "Permission denied" in str(listed["closed"])
    assert len(str(listed["odd"])) < 500


def test_a_folder_that_may_not_be_read_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A colleague's umask of 077: simulated, since the superuser may read everything."""

    def closed(path: Path, **options: Any) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(confined, "opened", closed)
    with pytest.raises(RunError, match="its owner does not let this user read it"):
        Run.open(run.path)


def test_a_run_that_is_gone_is_not_one_that_may_not_be_read(run: Run) -> None:
    with run.checkpoints() as store:
        os.rename(run.path, run.path.with_name("moved"))
        with pytest.raises(RunError, match="steps was deleted, so no step can be saved"):
            store.save(1, params_at(1))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda stored: stored["config"]["model"].update(heads=0), "model.heads"),
        (lambda stored: stored["config"]["model"].update(layers=2_000_000), "model.layers"),
        (lambda stored: stored.update(format=True), "not that of a LIMoE Lens run"),
        (lambda stored: stored.update(data="emoji"), "data is a str"),
        (lambda stored: stored.update(data={"name": [1]}), "the name of the data is no text"),
        (lambda stored: stored.update(parameters="many"), "parameters is a str"),
        (lambda stored: stored.update(note=10**400), "a number that is too large"),
        (lambda stored: stored.update(note="x" * 2**20), "at most 1.0 MiB are read"),
    ],
)
def test_a_hostile_config_is_said_in_a_sentence(
    run: Run, change: Callable[[Any], None], words: str
) -> None:
    path = run.path_of("config")
    stored = json.loads(path.read_text())
    change(stored)
    path.write_text(json.dumps(stored))
    with pytest.raises(RunError, match=words) as caught:
        Run.open(run.path)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("part", ["config", "metrics", "evaluations", "probe", "tokenizer"])
def test_a_fifo_in_the_place_of_a_file_is_said_at_once(run: Run, part: str) -> None:
    path = run.path_of(part, 1)  # type: ignore[arg-type]
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    read: dict[str, Callable[[], Any]] = {
        "config": lambda: Run.open(run.path),
        "metrics": run.metrics,
        "evaluations": run.evaluations,
        "probe": lambda: run.probe(1),
        "tokenizer": run.tokenizer,
    }
    with pytest.raises(RunError, match="it is a FIFO, not a file"):
        read[part]()


def test_a_link_out_of_the_boundary_is_refused_before_it_is_read(run: Run) -> None:
    secret = run.path.parent / "secret"
    secret.write_text('{"root": "a secret"}')
    run.path_of("evaluations").symlink_to(secret)
    assert "root" not in run.evaluations()
    confined = Run.open(run.path, within=run.path)
    with pytest.raises(RunError, match="leads out of the folder") as caught:
        confined.evaluations()
    assert "a secret" not in str(caught.value)


# ---- traces and pictures


def test_tampered_traces_give_a_sentence_or_make_sense(run: Run, tmp_path: Path) -> None:
    run.save_probe(1, small_trace())
    accepted = 0
    for case in tampered_traces(run.path, tmp_path / "traces", n=150, seed=1):
        try:
            trace = RoutingTrace.load(case.path)
        except TraceError:
            continue
        accepted += 1
        assert trace.expert.min(initial=0) >= 0
        assert np.isfinite(trace.probs).all()
    assert 5 < accepted < 75


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"layers": np.array([1, 3], np.int32)}, r"blocks with experts \(1, 3\).*\(1, 2\)"),
        ({"image_embeddings": np.zeros((2, 5)), "text_embeddings": np.zeros((2, 5))}, "channels"),
        ({"grid": 2, "image_size": 16}, "pixels along a picture 16"),
    ],
)
def test_a_trace_of_another_model_is_refused(run: Run, change: dict[str, Any], words: str) -> None:
    run.save_probe(1, dataclasses.replace(small_trace(), **change))
    with pytest.raises(RunError, match=words):
        run.probe(1)


@pytest.mark.parametrize(
    "shape", [(2, 8, 8, 3), (2, 32, 32), (2, 32, 32, 4), (32, 32, 3), (0,)], ids=str
)
def test_pictures_of_another_shape_are_refused(run: Run, shape: tuple[int, ...]) -> None:
    run.save_probe_pictures(np.zeros(shape, np.uint8))
    with pytest.raises(RunError, match="pictures are uint8 with the shape"):
        run.probe_pictures()


# ---- logs, results and answers


def test_no_more_than_the_end_of_a_log_is_read(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MOST_LINES", 20)
    monkeypatch.setattr(metrics, "MOST_BYTES", 200)
    for step in range(100):
        run.append_metrics({"step": step})
    assert [line["step"] for line in run.metrics()] == list(range(85, 100))
    monkeypatch.setattr(metrics, "MOST_LINES", 4)
    assert [line["step"] for line in run.metrics()] == [97, 98, 99]
    run.truncate_metrics(50)
    monkeypatch.setattr(metrics, "MOST_LINES", 1000)
    monkeypatch.setattr(metrics, "MOST_BYTES", 10_000)
    assert [line["step"] for line in run.metrics()] == list(range(51)), "nothing older is lost"


@pytest.mark.parametrize("step", ['"1"', "-1", "1.5", "true", "null", "1e999", "9" * 400, "[1]"])
def test_lines_without_a_usable_step_are_skipped(run: Run, step: str) -> None:
    run.path_of("metrics").write_text(f'{{"step": {step}}}\n{{"step": 7}}\n')
    assert run.metrics() == [{"step": 7}]


_SHARE = {"value": 0.5, "low": 0.4, "high": 0.6}
_TOP = {"top1": _SHARE, "top5": _SHARE}
_RESULT: dict[str, Any] = {
    "split": "test", "data": "emoji", "headline_language": "en", "n": 3, "concepts": 3, "ways": 9,
    **_TOP, "mean_over_languages": _TOP, "languages": {"en": _TOP},
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"n": 0},
        {"n": "3"},
        {"n": True},
        {"ways": None},
        {"top1": [1]},
        {"top5": {**_SHARE, "low": -3}},
        {"top5": {**_SHARE, "high": None}},
        {"languages": {}},
        {"languages": {"en": 5}},
        {"styles": [1]},
        {"categories": {"Food": _TOP}},
        {"data": ["x"]},
        {"split": "x" * 1000},
    ],
    ids=str,
)
def test_a_result_that_pages_cannot_show_is_left_out_and_named(
    run: Run, change: dict[str, Any]
) -> None:
    run.store_evaluation("zero_shot_a", 1, _RESULT)
    run.store_evaluation("zero_shot_b", 1, _RESULT | change)
    assert list(run.evaluations()) == ["zero_shot_a"]
    (said,) = run.damaged_evaluations()
    assert said.startswith("zero_shot_b at step 1: ")
    assert len(said) < 300
    run.store_evaluation("zero_shot_c", 2, _RESULT)
    assert "zero_shot_b" in json.loads(run.path_of("evaluations").read_text()), "and not lost"


@pytest.mark.parametrize(
    "stored",
    [{"zero_shot_a": []}, {"zero_shot_../b": {}}, {"zero_shot_a": {"ten": {}, "²": {}}}],
    ids=str,
)
def test_tasks_that_are_none_are_left_out(run: Run, stored: dict[str, Any]) -> None:
    run.path_of("evaluations").write_text(json.dumps(stored))
    assert run.evaluations() == {}
    assert run.damaged_evaluations()


@pytest.mark.parametrize(
    "change",
    [
        {"top": np.full((2, 3, 2), 3)},
        {"top": np.full((2, 3, 2), -1)},
        {"top": np.zeros((2, 3, 0), int)},
        {"concept": np.array([0, 1, 9])},
        {"ranks": np.full((2, 3), -1)},
        {"similarity": np.full((2, 3, 2), np.nan, np.float32)},
        {"similarity": np.full((2, 3, 2), "a")},
        {"languages": np.arange(2)},
        {"names": np.array(["a"])},
        {"style": np.full(3, "x" * 2000)},
        {"data": np.array(["a"])},
    ],
    ids=str,
)
def test_answers_that_do_not_fit_together_are_refused(run: Run, change: dict[str, Any]) -> None:
    dataclasses.replace(some_predictions(), **copy.deepcopy(change)).save(run.path, "zero_shot", 1)
    with pytest.raises(RunError, match="damaged or incomplete"):
        run.predictions("zero_shot", 1)


# ---- parameters


def test_a_stamp_of_parameters_changes_when_a_file_is_overwritten_in_place(run: Run) -> None:
    with run.checkpoints() as store:
        store.save(1, params_at(1))
    before = run.stamp("parameters", 1)
    assert run.stamp("parameters", 1) == before
    files = (path for path in run.path_of("parameters", 1).rglob("*") if path.is_file())
    file = max(files, key=lambda path: path.stat().st_size)
    content = file.read_bytes()
    with file.open("r+b") as inside:
        inside.write(content[::-1])
    assert run.stamp("parameters", 1) != before


@pytest.mark.parametrize("harm", ["fifo", "link", "large"])
def test_parameters_are_regular_files_of_bounded_size(run: Run, harm: str) -> None:
    with run.checkpoints() as store:
        store.save(1, params_at(1))
    file = run.path_of("parameters", 1) / "params" / "manifest.ocdbt"
    if harm == "fifo":
        file.unlink()
        os.mkfifo(file)
    elif harm == "link":
        file.rename(run.path / "elsewhere")
        file.symlink_to(run.path / "elsewhere")
    else:
        os.truncate(file, 2**40)
    with pytest.raises(RunError, match="it is a FIFO|is a link|is larger than 64 MiB"):
        run.restore_params(1)


def test_parameters_that_claim_more_than_the_disk_holds_are_refused(run: Run) -> None:
    with run.checkpoints() as store:
        store.save(1, {"w": jnp.zeros((6000, 6000))})
    with pytest.raises(RunError, match="claims 137 MiB of parameters and has 0"):
        run.restore_params(1, shapes({"w": jnp.zeros((6000, 6000))}))
