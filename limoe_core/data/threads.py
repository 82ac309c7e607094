"""Work on many pictures at once: Pillow decodes outside the interpreter lock."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")

_alone = False


class WorkerLost(RuntimeError):
    """A process that makes batches ended unasked, and why."""


def work_alone() -> None:
    """Has this process use one thread, as one of several that share a machine's cores."""
    global _alone
    _alone = True


def each(work: Callable[[_T], _R], items: Iterable[_T]) -> Iterator[_R]:
    """What some work makes of each item, in their order."""
    return map(work, items) if _alone else _threads().map(work, items)


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="pictures")
