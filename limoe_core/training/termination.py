"""Leaving in good order when the system asks a process to end (SIGTERM).

Between two steps there is something to save, so the request is noted and the loop acts on it. At
all other times there is nothing to lose: while the data set is built, while parameters are read,
while a step is compiled. Then the process ends at once, in the signal's handler. Python calls no
handler while compiled code runs, and XLA compiles for minutes; so a thread, which the signal wakes
in any case, ends the process itself where that takes longer than `PATIENCE`. What was saved is
whole all the same: a step gets its name only when all of it is on disk.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self

import jax
import numpy as np

#: Exit code: a shell says 128 plus the signal's number, and schedulers read it so.
TERMINATED = 128 + signal.SIGTERM
#: What is told of an end with nothing to save.
NOTHING_TO_SAVE = "stopped as asked, before there was anything new to save"
#: What is told of an end in compiled code.
CUT_SHORT = "stopped as asked, before the step at hand was compiled; go on with --resume"
#: Seconds that compiled code gets to return to Python.
PATIENCE = 7.0


class Ended(SystemExit):
    """The process was asked to end, and has nothing to save."""

    def __init__(self) -> None:
        super().__init__(TERMINATED)


def leave(told: str) -> NoReturn:
    """End the process with a sentence and no further work.

    Not by way of the interpreter's own end: what JAX still compiles or computes in its threads
    crashes when Python is taken down beneath it, and would be waited for before.
    """
    print(told, file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(TERMINATED)


class Termination:
    """What becomes of SIGTERM while training; use it as a context manager in the main thread."""

    def __init__(self) -> None:
        self.asked = False
        """Whether this process was asked to end."""
        self.too_late = False
        """Whether the work was done before it could be cut short."""
        self.saving: Callable[[], bool] = lambda: False
        """Whether a step is being written, which is waited for in any case."""
        self._stepping = False
        self._may_be_cut = True
        self._over = threading.Event()
        self._before: tuple[Any, int] = (signal.SIG_DFL, -1)
        self._woken: tuple[int, int] = (-1, -1)

    def begin_steps(self) -> None:
        """From now on a request is noted only; the loop saves before the process ends.

        Raises:
          Ended: it was asked for before.
        """
        if self.asked:
            raise Ended
        self._stepping = True
        self._may_be_cut = False

    @contextmanager
    def compiling(self, really: bool = True) -> Iterator[None]:
        """Within it, compiled code that does not return in time is cut short.

        What was trained since the last checkpoint is then lost, and trained again on resume.
        """
        before, self._may_be_cut = self._may_be_cut, self._may_be_cut or really
        try:
            yield
        finally:
            self._may_be_cut = before

    def agreed(self, now: bool) -> bool:
        """Whether any process of the run was asked to end; all of them get the same answer.

        Several processes ask each other only if `now`, which must be the same for all: an answer
        has to wait for what the devices are doing.
        """
        if jax.process_count() == 1:
            return self.asked
        if not now:
            return False
        from jax.experimental import multihost_utils

        every = multihost_utils.process_allgather(np.array(self.asked))
        self.asked = bool(np.any(every))
        return self.asked

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        if not self._stepping:
            raise Ended

    def _watch(self) -> None:
        """The thread that ends the process where the main one does not come to it."""
        asked_at = None
        while asked_at is None:
            signals = os.read(self._woken[0], 64)
            if not signals:  # closed: the work is done
                return
            if signal.SIGTERM in signals:
                asked_at = time.monotonic()
        while not self._over.wait(0.1):
            late = time.monotonic() - asked_at > PATIENCE
            if late and self._may_be_cut and not self.saving():
                leave(CUT_SHORT)

    def __enter__(self) -> Self:
        self._woken = os.pipe()
        os.set_blocking(self._woken[1], False)
        wakeup = signal.set_wakeup_fd(self._woken[1], warn_on_full_buffer=False)
        self._before = (signal.signal(signal.SIGTERM, self._note), wakeup)
        self._watcher = threading.Thread(target=self._watch, name="termination", daemon=True)
        self._watcher.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        handler, wakeup = self._before
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGTERM, handler)
        self._over.set()
        os.close(self._woken[1])
        self._watcher.join()
        os.close(self._woken[0])
