"""What a run says of its training, and whether somebody trains it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from limoe_core.runs import Run
from limoe_core.runs.progress import Progress


def test_what_training_says_is_read_by_others(run: Run) -> None:
    assert run.progress() is None
    said = Progress("compiling", 3, expected=41.5, time=1000.0)
    run.save_progress(said)
    assert run.progress() == said
    run.save_progress(Progress("failed", 4, note="the loss is nan"))
    assert run.progress() is not None and run.progress().note == "the loss is nan"


@pytest.mark.parametrize(
    "damage",
    [
        {"phase": "dancing"},
        {"phase": ["training"]},
        {"step": -1},
        {"step": "3"},
        {"step": True},
    ],
)
def test_what_makes_no_sense_is_as_if_nothing_was_said(run: Run, damage: dict[str, Any]) -> None:
    run.save_progress(Progress("training", 3))
    path = run.path_of("progress")
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    assert run.progress() is None
    path.write_text('{"phase": "trai')
    assert run.progress() is None


@pytest.mark.parametrize("odd", [None, "soon", -1, True, [1]])
def test_what_it_may_leave_out_may_be_odd(run: Run, odd: Any) -> None:
    run.save_progress(Progress("training", 3))
    path = run.path_of("progress")
    path.write_text(json.dumps({"phase": "training", "step": 3, "time": odd, "expected": odd}))
    assert run.progress() == Progress("training", 3, time=0.0, host="")


def test_a_run_is_in_training_while_somebody_holds_it(run: Run) -> None:
    assert run.in_training() is None  # a copy has no lock, and nobody can say
    with run.held_for_training():
        assert run.in_training() is True
        assert run.in_training() is True, "asking takes nothing away"
    assert run.in_training() is False


def test_a_lock_of_another_machine_may_not_be_seen_here(run: Run) -> None:
    with run.held_for_training():
        pass
    run.save_progress(replace(Progress("training", 3), host="elsewhere"))
    assert run.in_training() is None
    run.save_progress(Progress("training", 3))
    assert run.in_training() is False


def test_a_pipe_in_the_locks_place_holds_nobody_up(run: Run) -> None:
    import os

    os.mkfifo(run.path / ".training")
    assert run.in_training() is None
