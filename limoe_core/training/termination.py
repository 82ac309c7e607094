"""Leaving in good order when the system asks a process to end."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any, Self

import jax
import numpy as np


class Termination:
    """Takes note of SIGTERM instead of dying of it; use it as a context manager."""

    def __init__(self) -> None:
        self.asked = False
        """Whether this process was asked to end."""
        self.too_late = False
        """Whether the work was done before it could be cut short."""
        self._before: Any = None

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

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        signal.signal(signal.SIGTERM, self._before)
