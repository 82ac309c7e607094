"""What training does, written into its run for whoever looks at it from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from limoe_core.runs.progress import Phase, Progress
from limoe_core.training.errors import TrainingError

if TYPE_CHECKING:
    from limoe_core.runs.directory import Run


class Announcer:
    """Says each phase of training once, when it begins.

    Nothing depends on it: where it cannot be written, training goes on, and stops at the next thing
    that has to be written.
    """

    def __init__(self, run: Run, step: int, *, writes: bool = True) -> None:
        """
        Args:
          step: steps done so far.
          writes: False for all but the first of several processes.
        """
        self._run = run
        self._writes = writes
        self._step = step
        self._phase: Phase = "starting"
        self.say("starting", step)

    def say(
        self, phase: Phase, step: int, *, expected: float | None = None, note: str = ""
    ) -> None:
        """Says what training does from now on; `expected` and `note` as in `Progress`."""
        self._phase, self._step = phase, step
        if self._writes:
            with suppress(OSError):
                self._run.save_progress(Progress(phase, step, expected, note))

    def stepped(self, step: int) -> None:
        """Says that steps are made, if something else was said last."""
        if self._phase == "training":
            self._step = step
        else:
            self.say("training", step)

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Says that training looks at itself, and afterwards what it said before."""
        before = self._phase
        self.say("looking", self._step)
        yield
        self.say(before, self._step)

    @contextmanager
    def until_the_end(self) -> Iterator[None]:
        """Says that training ended, or why it failed."""
        try:
            yield
        except Exception as error:
            self.say("failed", self._step, note=_why(error))
            raise
        except BaseException:  # asked to stop
            self.say("ended", self._step)
            raise
        self.say("ended", self._step)


def _why(error: Exception) -> str:
    """In words for readers of a page, who are shown no places on this machine."""
    if isinstance(error, TrainingError):
        return str(error)
    if isinstance(error, OSError):
        return f"A file could not be read or written: {error.strerror or type(error).__name__}."
    return f"{type(error).__name__}; the terminal in which it was started says more."
