"""Readers in a process of their own, which may die or hang without harm to the attack."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class LostError(RuntimeError):
    """The reader died or gave no answer in time."""


class Reader:
    """A process that is asked again and again, and replaced when it is lost."""

    def __init__(self, seconds: float = 120.0) -> None:
        """
        Args:
          seconds: time limit for an answer.
        """
        self._seconds = seconds
        self._pool = self._fresh()

    def ask(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The function's answer.

        Raises:
          LostError: none came, and another process takes the reader's place.
          Exception: what the function raised.
        """
        try:
            return self._pool.submit(function, *args, **kwargs).result(timeout=self._seconds)
        except (BrokenProcessPool, TimeoutError) as error:
            self._end()
            self._pool = self._fresh()
            raise LostError(f"the reader died or hung ({type(error).__name__})") from error

    def _fresh(self) -> ProcessPoolExecutor:
        spawn = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(max_workers=1, mp_context=spawn)

    def _end(self) -> None:
        for process in list((self._pool._processes or {}).values()):
            process.kill()  # one that hangs would be waited for
        self._pool.shutdown(cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()
