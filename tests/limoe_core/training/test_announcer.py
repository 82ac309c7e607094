"""What a run says of its training, phase by phase."""

from __future__ import annotations

from pathlib import Path

import pytest

from limoe_core.presets import preset
from limoe_core.runs import Run
from limoe_core.runs.progress import Progress
from limoe_core.training.announcer import Announcer
from limoe_core.training.errors import TrainingError
from limoe_core.training.progress import TrainProgress


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", preset("debug"))


def phase(run: Run) -> tuple[str, int]:
    said = run.progress()
    assert said is not None
    return said.phase, said.step


def test_each_phase_is_said_when_it_begins(run: Run) -> None:
    announcer = Announcer(run, 0)
    assert phase(run) == ("starting", 0)
    with announcer.until_the_end(), TrainProgress("run", 0, 20, announcer) as progress:
        with progress.paused():
            assert phase(run) == ("looking", 0)
        assert phase(run) == ("starting", 0)
        progress.compiling(1, 40.0)
        assert run.progress() is not None and run.progress().expected == 40.0
        progress.advance(1, 5.0, 16)
        assert phase(run) == ("training", 1)
        progress.advance(2, 5.0, 16)
        with progress.paused():
            assert phase(run) == ("looking", 2)
        assert phase(run) == ("training", 2)
        progress.advance(20, 4.0, 16)
    assert phase(run) == ("ended", 20)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (TrainingError("the loss is nan"), "the loss is nan"),
        (OSError(28, "No space left on device", "/secret/place"), "No space left on device"),
        (KeyError("/secret/place"), "KeyError"),
    ],
)
def test_why_training_failed_is_said_without_places(run: Run, error: Exception, why: str) -> None:
    with pytest.raises(type(error)), Announcer(run, 7).until_the_end():
        raise error
    said = run.progress()
    assert said is not None
    assert (said.phase, said.step) == ("failed", 7)
    assert why in said.note
    assert "secret" not in said.note


def test_a_stop_that_was_asked_for_is_no_failure(run: Run) -> None:
    with pytest.raises(KeyboardInterrupt), Announcer(run, 7).until_the_end():
        raise KeyboardInterrupt
    assert phase(run) == ("ended", 7)


def test_where_it_cannot_be_said_training_goes_on(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Run, now: Progress) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Run, "save_progress", full)
    with Announcer(run, 0).until_the_end():
        pass
    assert run.progress() is None


def test_one_process_of_several_says_it(run: Run) -> None:
    with Announcer(run, 0, writes=False).until_the_end():
        pass
    assert run.progress() is None
