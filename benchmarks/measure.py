"""Timing on a busy machine: ratios of medians of interleaved repeats, in one process."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import jax

#: A function to time. The clock stops when its result is ready.
Run = Callable[[], Any]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One measured figure."""

    name: str
    value: float | None
    """None where nothing could be measured; `how` then says why."""
    unit: str = ""
    """"" for a ratio or a share."""
    goal: float | None = None
    """None where there is no goal."""
    bound: Literal["at most", "at least"] = "at most"
    """Side of the goal on which the value should lie."""
    limit: float | None = None
    """The value if only unavoidable work took time, at the matrix rate and the bandwidth
    measured in the same process."""
    how: str

    @property
    def holds(self) -> bool | None:
        """True if the goal is met; None without a goal or without a value."""
        if self.goal is None or self.value is None:
            return None
        return self.value <= self.goal if self.bound == "at most" else self.value >= self.goal


def medians(runs: Mapping[str, Run], repeats: int = 15) -> dict[str, float]:
    """Median seconds of each function, called in turns after one warm-up call each.

    Each round has its own order, the same in every process: otherwise a function would always find
    caches and memory as the same other one left them.
    """
    for run in runs.values():
        jax.block_until_ready(run())
    times: dict[str, list[float]] = {name: [] for name in runs}
    order, shuffle = list(runs), random.Random(0).shuffle
    for _ in range(repeats):
        shuffle(order)
        for name in order:
            start = time.perf_counter()
            jax.block_until_ready(runs[name]())
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}
