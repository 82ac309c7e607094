"""Time of the dashboard's list of runs: read for the first time, and looked at again."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from app.server.runs import Runs
from benchmarks.measure import Line
from limoe_core.presets import preset
from limoe_core.runs import Run

_RUNS = 3000
_GOAL = 2.0


def run(number: int = _RUNS) -> list[Line]:
    """Seconds for a folder of so many runs, each with its settings and a log."""
    config = preset("emoji-tiny")
    with tempfile.TemporaryDirectory(prefix="listing-") as name:
        for place in range(number):
            made = Run.create(Path(name) / f"run-{place:05}", config)
            made.append_metrics({"step": 0, "loss": 5.0})
        seconds = []
        for _ in range(2):
            start = time.perf_counter()
            found = Runs.of(Path(name))
            found.default()
            seconds.append(time.perf_counter() - start)
    first, again = seconds
    how = f"{len(found.usable):,} runs of settings and a log each, with the choice of the first one"
    return [
        Line(name="list of runs, first", value=first, unit="s", goal=_GOAL, how=how),
        Line(name="list of runs, again", value=again, unit="s", goal=_GOAL / 10, how=how),
    ]
