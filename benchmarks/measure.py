"""Timing that survives a busy machine: ratios of medians of interleaved repeats, in one process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax


@dataclass(frozen=True)
class Line:
    """One measured figure."""

    name: str
    value: float
    goal: float | None
    """The most it may be; None where there is no goal."""
    how: str

    holds: bool | None = None

    def __post_init__(self) -> None:
        holds = None if self.goal is None else self.value <= self.goal
        object.__setattr__(self, "holds", holds)


def medians(runs: Mapping[str, Callable[[], Any]], repeats: int = 15) -> dict[str, float]:
    """Median seconds of each function, taken in turns after one warm-up call of each."""
    for run in runs.values():
        jax.block_until_ready(run())
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            jax.block_until_ready(run())
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}
