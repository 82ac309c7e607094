"""Errors of training: one sentence with what is safe, and nothing of libraries beside it."""

from __future__ import annotations

import errno
import logging
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from limoe_core.data.threads import WorkerLost
from limoe_core.training.errors import (
    TrainingError,
    explained_loss_of_workers,
    explained_write_errors,
    last_good,
    without_library_noise,
)


def run(*steps: int, path: Path = Path("checkpoints/mine")) -> Any:
    return SimpleNamespace(path=path, steps=lambda: list(steps))


def test_the_last_good_step_is_the_newest_on_disk() -> None:
    assert last_good(run(3, 6, 9)) == "The last good checkpoint is step 9."
    assert last_good(run()) == "None was saved yet."


def test_an_error_of_the_file_system_says_what_is_safe_and_what_to_do(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(TrainingError) as caught, explained_write_errors(run(3, 6, path=tmp_path)):
        raise full
    told = str(caught.value)
    for part in (str(tmp_path), "No space left on device", "step 6", "--resume"):
        assert part in told
    assert caught.value.__cause__ is full


def test_a_worker_that_is_lost_is_told_with_what_is_safe() -> None:
    with pytest.raises(TrainingError) as caught, explained_loss_of_workers(run(3, 6)):
        raise WorkerLost("a process that reads data was ended by SIGKILL")
    for part in ("ended by SIGKILL. ", "step 6", "--resume", "--data.workers"):
        assert part in str(caught.value)


def test_a_run_that_was_deleted_is_said_to_be(tmp_path: Path) -> None:
    gone = run(3, path=tmp_path / "gone")
    with pytest.raises(TrainingError, match="gone was deleted"), explained_write_errors(gone):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")


def test_other_errors_stay_as_they_are() -> None:
    with pytest.raises(ZeroDivisionError), explained_write_errors(run()):
        raise ZeroDivisionError


def test_libraries_are_quiet_only_for_as_long_as_we_speak(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    closed: Any = SimpleNamespace(exc_value=RuntimeError("Event loop is closed"))
    other: Any = SimpleNamespace(exc_value=RuntimeError("something else"))
    with without_library_noise():
        logging.getLogger("absl").error("from within")
        logging.getLogger("asyncio").error("from within")
        logging.getLogger("limoe_core").error("of our own")
        sys.unraisablehook(closed)
        sys.unraisablehook(other)
    assert told == [other]
    logging.getLogger("absl").error("from after")
    sys.unraisablehook(closed)
    assert told == [other, closed]
    assert caplog.messages == ["of our own", "from after"]
