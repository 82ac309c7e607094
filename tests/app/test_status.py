"""How far a run has come, in words: from what it says, what it logged and who holds it."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest

from app.server.status import Status, duration
from limoe_core.runs import Run
from limoe_core.runs.progress import Progress
from tests.app.example_runs import small_config


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", small_config())  # of 20 steps


def logs(run: Run, step: int, age: float = 0.0) -> None:
    run.append_metrics(
        {"step": step, "loss": 3.0, "pairs_per_second": 32.0, "time": time.time() - age}
    )


def test_a_run_that_has_not_begun(run: Run) -> None:
    assert Status.of(run).state == "new"
    assert not Status.of(run).growing


def test_each_phase_in_words(run: Run) -> None:
    with run.held_for_training():
        for phase, words in (
            ("starting", "making the model"),
            ("compiling", "compiling the step, for 5 seconds now, 2 minutes the last time"),
            ("looking", "recording probe traces"),
        ):
            run.save_progress(Progress(phase, 0, expected=120.0, time=time.time() - 5))
            status = Status.of(run)
            assert (status.state, status.growing) == (phase, True)
            assert words in status.sentence
        run.save_progress(Progress("training", 1))
        logs(run, 10)
        assert Status.of(run).sentence == (
            "In training: step 10 of 20, 2 steps per second, about 5 seconds left."
        )


def test_a_process_that_was_killed_is_stopped_and_not_in_training(run: Run) -> None:
    with run.held_for_training():
        run.save_progress(Progress("training", 1))
        logs(run, 10)
        assert Status.of(run).growing
    status = Status.of(run)  # the lock went with the process, and all else is as it left it
    assert (status.state, status.step) == ("stopped", 10)
    assert "--resume" in status.sentence


def test_the_end_and_a_failure(run: Run) -> None:
    with run.held_for_training():
        pass
    run.save_progress(Progress("failed", 7, note="The loss is nan."))
    assert Status.of(run).sentence == "Training failed at step 7 of 20. The loss is nan."
    run.save_progress(Progress("ended", 20))
    assert Status.of(run).state == "finished"


@pytest.mark.parametrize(("age", "growing"), [(5.0, True), (1000.0, False)])
def test_of_a_run_on_another_machine_its_log_tells(run: Run, age: float, growing: bool) -> None:
    away = Progress("training", 1, time=time.time() - age, host="elsewhere")
    run.save_progress(away)
    logs(run, 10, age)
    assert Status.of(run).growing is growing
    run.save_progress(dataclasses.replace(away, phase="ended"))
    assert not Status.of(run).growing


def test_compiling_for_long_on_another_machine_is_no_end(run: Run) -> None:
    said = Progress("compiling", 0, expected=900.0, time=time.time() - 600, host="elsewhere")
    run.save_progress(said)
    assert Status.of(run).growing


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 seconds"),
        (1, "1 second"),
        (89, "89 seconds"),
        (120, "2 minutes"),
        (5400, "1 hour 30 minutes"),
        (7200, "2 hours"),
        (3 * 86400, "3 days"),
    ],
)
def test_spans_of_time_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_no_speed_and_no_time_of_a_log_breaks_the_sidebar(run: Run) -> None:
    for speed in (5e-324, -1.0):
        run.append_metrics({"step": 5, "loss": 3.0, "pairs_per_second": speed, "time": 0})
        with run.held_for_training():
            run.save_progress(Progress("training", 5))
            assert "left" not in Status.of(run).sentence


def test_a_time_that_lies_ahead_is_no_training(run: Run) -> None:
    run.save_progress(Progress("training", 5, time=1e15))
    assert not Status.of(run).growing
