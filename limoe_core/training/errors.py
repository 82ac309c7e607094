"""Errors of training, each told once and in a sentence with what is safe and what to do."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from limoe_core.data.threads import WorkerLost

if TYPE_CHECKING:
    from limoe_core.runs.directory import Run


class TrainingError(RuntimeError):
    """Training cannot go on, and why."""


class DivergedError(TrainingError):
    """The loss is no number, or far from where it began. To go on would come to the same."""


def last_good(run: Run) -> str:
    """A sentence about the newest step that is whole on disk."""
    saved = run.steps()
    return f"The last good checkpoint is step {saved[-1]}." if saved else "None was saved yet."


@contextmanager
def explained_write_errors(run: Run) -> Iterator[None]:
    """Raise an error of the file system as a sentence with what is safe and what to do.

    Raises:
      TrainingError: for an `OSError` in the block.
    """
    try:
        yield
    except OSError as error:
        if not run.path.is_dir():
            raise TrainingError(
                f"{run.path} was deleted, so training cannot go on there; begin anew, or put the "
                "run back and go on with --resume."
            ) from error
        reason = error.strerror or str(error)
        raise TrainingError(
            f"{run.path} cannot be written: {reason}. {last_good(run)} When there is room, or the "
            "folder may be written to, go on with --resume."
        ) from error


@contextmanager
def explained_loss_of_workers(run: Run) -> Iterator[None]:
    """Raise the end of a process that reads data as a sentence with what to do.

    Raises:
      TrainingError: for a `WorkerLost` in the block.
    """
    try:
        yield
    except WorkerLost as error:
        raise TrainingError(
            f"{error}. {last_good(run)} Go on with --resume; fewer --data.workers take less memory."
        ) from error


@contextmanager
def without_library_noise() -> Iterator[None]:
    """Keep off the screen what Orbax and TensorStore print of an error that we raise.

    Orbax logs the traceback of a step that could not be saved before it raises the same error.
    The first of several arrays to fail also ends its event loop; what TensorStore then has to say
    about the others finds the loop closed, on a thread where nobody can catch it, or is an error
    that nobody fetched, which asyncio logs when it is collected.
    """
    loggers = [logging.getLogger(name) for name in ("absl", "asyncio")]
    unraisable = sys.unraisablehook

    def nothing(_: logging.LogRecord) -> bool:
        return False

    def hook(told: sys.UnraisableHookArgs) -> None:
        if not (
            isinstance(told.exc_value, RuntimeError) and "loop is closed" in str(told.exc_value)
        ):
            unraisable(told)

    for logger in loggers:  # not by their levels, which whoever uses absl sets as well
        logger.addFilter(nothing)
    sys.unraisablehook = hook
    try:
        yield
    finally:
        gc.collect()  # what would be printed when it is collected is collected now
        for logger in loggers:
            logger.removeFilter(nothing)
        sys.unraisablehook = unraisable
