"""Work that a thread does aside: compiled code that takes long and cannot be called off."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, NoReturn, TypeVar

Result = TypeVar("Result")

_NAME = "aside: "


class Aside(Generic[Result]):
    """Work in a thread of its own, which begins at once.

    A failure is not told: who needs the result does without, or works for it and meets it again.
    """

    def __init__(self, name: str, work: Callable[[], Result]) -> None:
        self._work = work
        self._result: Result | None = None
        # Not a daemon: Python must not be taken down beneath compiled code. See `end`.
        self._thread = threading.Thread(target=self._run, name=_NAME + name)
        self._thread.start()

    def _run(self) -> None:
        with suppress(Exception):
            self._result = self._work()

    @property
    def is_busy(self) -> bool:
        """Whether the work is still being done."""
        return self._thread.is_alive()

    def result(self) -> Result | None:
        """What came of it, once it is done; None if it failed."""
        self._thread.join()
        return self._result


def end(code: int) -> NoReturn:
    """End the process, at once if anything is still worked on aside: Python would wait for it."""
    if any(thread.name.startswith(_NAME) for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
