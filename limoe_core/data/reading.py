"""Reading ahead: by a thread of this process, or by worker processes of Grain.

Workers are fresh processes, not copies of this one, which may have started JAX. They read every
n-th batch each, and what they make is handed over in shared memory.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from multiprocessing import connection
from typing import Any

import grain
import numpy as np
from absl import flags

from limoe_core.data.threads import WorkerLost, work_alone

_AHEAD = 8
"""Batches that are ready, in this process."""
_AHEAD_EACH = 2
"""Batches that are ready, of each worker."""

#: For processes that are started. What is in hand when workers end is freed by Python's tracker
#: of shared memory, which would call it a leak.
_QUIET = "ignore:resource_tracker:UserWarning"

#: What Grain says of a worker that ended unasked; the exit code follows.
_LOST = re.compile(r"Worker process was terminated unexpectedly with exit code (-?[0-9]+)")

Batch = dict[str, np.ndarray]


class Batches(Iterator[Batch]):
    """Batches of a source, in order.

    Args:
      source: batches by number, from 0 on, without an end.
      workers: processes that make them; 0 makes them in a thread of this one. They are the same,
        however many make them.
    """

    def __init__(self, source: Any, workers: int = 0) -> None:
        self._source, self._workers = source, workers
        self._taken = 0
        self._reader: Any = None
        self._processes: list[multiprocessing.process.BaseProcess] = []

    def __next__(self) -> Batch:
        """The next batch.

        Raises:
          WorkerLost: a worker was killed, or crashed.
        """
        try:
            found = self._first() if self._reader is None else next(self._reader)
        except RuntimeError as error:
            if told := _LOST.match(str(error)):
                raise WorkerLost(_why(int(told[1]))) from error
            raise
        self._taken += 1
        return found

    def get_state(self) -> dict[str, int]:
        """JSON data with the number of batches that were taken; see `set_state`."""
        return {"next_index": self._taken}

    def set_state(self, state: dict[str, int]) -> None:
        """Goes on where another reader of the same source was: the same batches follow."""
        self.close()
        self._taken = int(state["next_index"])

    def close(self) -> None:
        """Ends the workers; the next batch would start others."""
        if self._reader is not None:
            # All at once: Grain asks one after another to end, and waits a second or more for each.
            for process in self._processes:
                process.kill()
            self._reader.close()
            self._reader, self._processes = None, []

    def _first(self) -> Batch:
        others = multiprocessing.active_children()
        self._reader = self._read()
        try:
            return next(self._reader)
        finally:
            started = multiprocessing.active_children()
            self._processes = [process for process in started if process not in others]

    def _read(self) -> Any:
        rest = grain.MapDataset.source(self._source)[self._taken :]
        one = grain.ReadOptions(num_threads=1, prefetch_buffer_size=1 if self._workers else _AHEAD)
        batches = rest.to_iter_dataset(one)
        if self._workers:
            if not flags.FLAGS.is_parsed():  # Grain asks for some, which have their defaults
                flags.FLAGS.mark_as_parsed()
            if _QUIET not in sys.warnoptions:
                sys.warnoptions.append(_QUIET)
            options = grain.MultiprocessingOptions(
                num_workers=self._workers, per_worker_buffer_size=_AHEAD_EACH
            )
            batches = batches.mp_prefetch(options, worker_init_fn=_start_worker)
        return iter(batches)


def workers_for(asked: int, in_memory: bool, accelerated: bool) -> int:
    """How many workers make batches, where the settings leave it open.

    None where pictures are in memory, or where the model needs this machine's cores itself.

    Args:
      asked: `data.workers`.
      in_memory: whether pictures are.
      accelerated: whether the model runs elsewhere than on this machine's cores.
    """
    if asked >= 0:
        return asked
    if in_memory or not accelerated:
        return 0
    return _cores() - 1


def _cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):  # not everywhere
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _why(code: int) -> str:
    if code >= 0:
        return f"a process that reads data ended with exit code {code}"
    name = signal.Signals(-code).name if -code in list(signal.Signals) else f"signal {-code}"
    memory = ", as the system does where memory runs out" if name == "SIGKILL" else ""
    return f"a process that reads data was ended by {name}{memory}"


def _start_worker(number: int, count: int) -> None:
    """Has a worker leave Ctrl-C to the process that started it, and end when that one does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    work_alone()
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
