"""Many readers at once, each changing examples without a pause: their answers, and memory."""

from __future__ import annotations

import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from app.server.runs import Runs
from benchmarks.measure import Line
from benchmarks.resilience.client import Client
from benchmarks.resilience.memory import resident_mib
from benchmarks.resilience.server import dashboard

_ANSWER = 3.0
"""Seconds, at most."""
_GROWTH = 40.0
"""MB, at most; the allocator's reserve varies by that much."""
_GALLERY = "pair.gallery"


def lines(folder: Path, readers: int, changes: int, more: int) -> list[Line]:
    """Seconds of an answer, and memory of the server before and after changes.

    Args:
      changes: of all readers together, after each has opened the page.
      more: changes after those, with memory in view.
    """
    examples = _examples(folder)
    with ExitStack() as stack:
        logs = stack.enter_context(tempfile.TemporaryDirectory())
        server = stack.enter_context(dashboard(folder, Path(logs) / "log"))
        before = resident_mib(server.process)
        clients = [stack.enter_context(Client(server.address)) for _ in range(readers)]
        pool = stack.enter_context(ThreadPoolExecutor(readers))
        list(pool.map(Client.open, clients))

        def change(number: int, count: int, first: int) -> list[float]:
            """Each reader has an order of its own, and comes to all examples in the end."""
            client, found = clients[number], []
            for turn in range(first, first + count):
                found.append(client.pick(_GALLERY, str((7 * number + turn) % examples)))
            return found

        def all_change(count: int, first: int) -> list[float]:
            each = -(-count // readers)
            tasks = [pool.submit(change, number, each, first) for number in range(readers)]
            return [seconds for task in tasks for seconds in task.result()]

        began = time.perf_counter()
        found = all_change(changes, 0)
        took = time.perf_counter() - began
        after = resident_mib(server.process)
        all_change(more, changes)
        later = resident_mib(server.process)
        if complaints := server.complaints():
            raise RuntimeError(f"the dashboard complained: {complaints[0]}")
    who = f"{readers} readers at once, each changing examples without a pause, shipped run"
    memory = (
        f"{who}; {before:.0f} MiB before the first reader, {after:.0f} after {changes:,} changes, "
        f"{later:.0f} after {more:,} more"
    )
    return [
        Line(
            name=f"{readers} readers at once: median answer to another example",
            value=statistics.median(found),
            unit="s",
            goal=_ANSWER,
            how=f"{who}; {len(found):,} answers, slowest {max(found):.3g} s, "
            f"{len(found) / took:.3g} a second",
        ),
        Line(
            name="memory of the server with them",
            value=later * 2**20 / 1e6,
            unit="MB",
            how=memory,
        ),
        Line(
            name="memory of the server: growth over further changes",
            value=max(0.0, later - after) * 2**20 / 1e6,
            unit="MB",
            goal=_GROWTH,
            how=f"{memory}; {more:,} are ten minutes of {readers} readers who change every "
            f"{600 * readers / more:.3g} s",
        ),
    ]


def _examples(folder: Path) -> int:
    """How many the run has that the dashboard opens."""
    runs = Runs.of(folder)
    run = runs.open(runs.default())
    return run.probe(run.probe_steps()[-1]).num_pairs
