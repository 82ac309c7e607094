"""The jobs of a server: who waits for them, whose turn it is, and when they end unfinished.

Readers never wait for each other: each has one job running at a time, and their next ones wait for
it. A job is done once for all who ask the same question, and goes on while one of them is there.
One whose readers have all left or given it up ends at its next report of progress. A job that
reports none cannot be ended; it holds up its own reader's next jobs alone, and its answer is kept
for who asks again.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

#: Called with (done, total) while a job works.
Progress = Callable[[int, int], None]

#: Answers that are kept.
KEPT = 64
#: Jobs of one reader that wait; the oldest gives way to a newer question.
WAITING = 4
#: Seconds that a reader may be away before their jobs end: a page that is loaded anew is another
#: reader, who takes the job over.
AWAY = 10.0
_LOOK_EVERY = 0.5  # seconds


class Cancelled(BaseException):
    """Nobody waits for the job any more; not an `Exception`, so that no function keeps it."""


@dataclass(eq=False)
class Job:
    """A computation: waiting, running, done or ended."""

    key: Hashable
    work: Callable[[Progress], Any]
    readers: dict[str, float] = field(default_factory=dict)
    """When each reader was last seen."""
    owner: str | None = None
    """The reader whose turn it takes while it runs."""
    future: Future[Any] = field(default_factory=Future)
    done: int = 0
    total: int = 0
    ending: bool = False
    """It has been told that nobody waits; who asks now gets a new job."""
    looked: float = 0.0

    @property
    def over(self) -> bool:
        """Whether it takes no more readers."""
        return self.ending or self.future.cancelled()


class Board:
    """The jobs of a server, newest last; old answers are dropped.

    Args:
      present: whether a reader is there.
    """

    def __init__(self, present: Callable[[str], bool] = lambda reader: True) -> None:
        self._present = present
        self._jobs: OrderedDict[Hashable, Job] = OrderedDict()
        self._running: list[Job] = []
        self._lock = threading.RLock()
        self._closed = False

    def find(self, key: Hashable) -> Job | None:
        """The job that answers `key`, if there is one; one that failed or ended is forgotten."""
        with self._lock:
            job = self._jobs.get(key)
            if job is not None and (job.over or _failed(job)):
                del self._jobs[key]
                return None
            return job

    def start(self, key: Hashable, work: Callable[[Progress], Any], reader: str) -> Job:
        """The job that answers `key`, with one reader more, started as soon as it is its turn."""
        with self._lock:
            job = self.find(key)
            if job is None:
                job = self._jobs[key] = Job(key, work)
            job.readers[reader] = time.monotonic()
            self._jobs.move_to_end(key)
            self._make_room(job, reader)
            self._advance()
            return job

    def leave(self, key: Hashable, reader: str) -> None:
        """The reader gives up the job, which ends unless others wait for it."""
        with self._lock:
            if (job := self._jobs.get(key)) is not None:
                self._drop(job, reader)
                self._advance()

    def close(self, seconds: float = 0.0) -> bool:
        """End all jobs, and start no more; returns whether they ended in time."""
        with self._lock:
            self._closed = True
            for job in [*self._jobs.values()]:
                for reader in [*job.readers]:
                    self._drop(job, reader)
        until = time.monotonic() + seconds
        while self._running and time.monotonic() < until:
            time.sleep(0.05)
        return not self._running

    # ---- turns

    def _advance(self) -> None:
        """Start every waiting job that has a reader without a running one."""
        busy = {job.owner for job in self._running}
        for job in [*self._jobs.values()]:
            if job.over or job.owner is not None or job.future.done():
                continue
            self._look(job)
            owner = next((reader for reader in job.readers if reader not in busy), None)
            if owner is None or self._closed:
                continue
            job.owner = owner
            busy.add(owner)
            self._running.append(job)
            # A daemon: the server's end waits for no thread of a job.
            threading.Thread(target=self._run, args=(job,), name="job", daemon=True).start()

    def _run(self, job: Job) -> None:
        job.future.set_running_or_notify_cancel()

        def progress(done: int, total: int) -> None:
            job.done, job.total = done, total
            self._check(job)

        answer, error = None, None
        try:
            answer = job.work(progress)
        except BaseException as raised:  # it is told to whoever waits
            error = raised
        with self._lock:
            self._running.remove(job)
            if error is None:
                job.ending = False
                job.future.set_result(answer)
            else:
                job.future.set_exception(error)
            self._advance()

    def _check(self, job: Job) -> None:
        """End the job here, in its own thread, if nobody waits for it."""
        with self._lock:
            if time.monotonic() - job.looked >= _LOOK_EVERY:
                self._look(job)
            if not job.readers:
                job.ending = True
                raise Cancelled

    def _look(self, job: Job) -> None:
        """Note which readers are there, and forget those who left."""
        now = job.looked = time.monotonic()
        for reader, seen in [*job.readers.items()]:
            if self._present(reader):
                job.readers[reader] = now
            elif now - seen > AWAY:
                self._drop(job, reader)

    def _drop(self, job: Job, reader: str) -> None:
        job.readers.pop(reader, None)
        if job.readers and job.owner == reader:
            job.owner = next(iter(job.readers))
        if not job.readers and job.owner is None and not job.future.done():
            job.future.cancel()
            if self._jobs.get(job.key) is job:
                del self._jobs[job.key]

    def _make_room(self, newest: Job, reader: str) -> None:
        waiting = [
            job
            for job in self._jobs.values()
            if job.owner is None and not job.future.done() and reader in job.readers
        ]
        for job in waiting[: max(0, len(waiting) - WAITING)]:
            if job is not newest:
                self._drop(job, reader)
        done = [key for key, job in self._jobs.items() if job.future.done() and job is not newest]
        for key in done[: max(0, len(self._jobs) - KEPT)]:
            del self._jobs[key]


def _failed(job: Job) -> bool:
    return job.future.done() and not job.future.cancelled() and bool(job.future.exception())
