"""Background jobs: long computations with progress, each done once per server.

A job goes on when its reader clicks elsewhere or leaves; the next one who asks the same question
joins it, or finds its answer. Two jobs run at a time, so that many readers cannot take the whole
machine; the others wait and say so.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import streamlit as st

T = TypeVar("T")

#: Called with (done, total) while a job works.
Progress = Callable[[int, int], None]

_AT_ONCE = 2
_KEPT = 64
_LOOK_EVERY = 0.1  # seconds


@dataclass(eq=False)
class Job:
    """A computation, running or done."""

    future: Future[Any] = field(default_factory=Future)
    done: int = 0
    total: int = 0

    def progress(self, done: int, total: int) -> None:
        """Reports progress."""
        self.done, self.total = done, total


class Board:
    """The jobs of a server, newest last; old results are dropped."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[Hashable, Job] = OrderedDict()
        self._lock = threading.Lock()
        self._workers = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="job")

    def find(self, key: Hashable) -> Job | None:
        """The job that answers `key`, if there is one; a failed one is forgotten."""
        with self._lock:
            return self._find(key)

    def start(self, key: Hashable, work: Callable[[Progress], Any]) -> Job:
        """The job that answers `key`, started now if nobody asked before."""
        with self._lock:
            job = self._find(key)
            if job is None:
                job = self._jobs[key] = Job()
                job.future = self._workers.submit(work, job.progress)
            self._jobs.move_to_end(key)
            finished = [k for k, each in self._jobs.items() if each.future.done() and k != key]
            for old in finished[: max(0, len(self._jobs) - _KEPT)]:
                del self._jobs[old]
            return job

    def _find(self, key: Hashable) -> Job | None:
        job = self._jobs.get(key)
        if job is not None and job.future.done() and job.future.exception() is not None:
            del self._jobs[key]
            return None
        return job


@st.cache_resource(show_spinner=False)
def board() -> Board:
    """The job board of this server."""
    return Board()


def known(key: Hashable) -> bool:
    """Whether the job was started before, so that asking again is free."""
    return board().find(key) is not None


def result(key: Hashable, work: Callable[[Progress], T], label: str) -> T:
    """The result of `work`: kept from an earlier call, or computed behind a progress bar.

    Args:
      key: names the question in full: the same key never gets another answer.
      work: runs in another thread, so it must not use Streamlit; it may raise.
      label: what is being done, shown above the bar; our own words only.
    """
    job = board().start(key, work)
    if not job.future.done():
        time.sleep(0.02)  # much is done in no time and needs no bar
    if not job.future.done():
        bar = st.progress(0.0, label)
        while not job.future.done():
            bar.progress(*_shown(job, label))
            time.sleep(_LOOK_EVERY)
        bar.empty()
    return cast(T, job.future.result())


def _shown(job: Job, label: str) -> tuple[float, str]:
    if not job.future.running():
        return 0.0, f"{label}: waiting for other work of this server to end"
    if not job.total:
        return 0.0, f"{label} …"
    return min(1.0, job.done / job.total), f"{label}: {job.done:,} of {job.total:,}"


def running(key: Hashable) -> bool:
    """Whether the job has been started and is not done."""
    job = board().find(key)
    return job is not None and not job.future.done()
