"""The dashboard in a browser: first picture, interactions, frames, and many readers at once.

The machine that serves also runs the browser, or the readers, so both share its cores.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from app.shell.options import SHIPPED_RUNS
from benchmarks.dashboard import browser, clicks, frames, opening, readers
from benchmarks.dashboard.made_up import Size, large_run, points_run
from benchmarks.measure import Line


@dataclass(frozen=True)
class Amount:
    """How much is measured."""

    large: Size = field(default_factory=Size)
    points: int = 100_000
    """Of the map: half of them pictures, half texts."""
    openings: int = 3
    """Fresh servers of each run."""
    rounds: int = 16
    """Of all kinds of interactions."""
    moves: int = 60
    """Of the pointer."""
    frames: int = 120
    readers: int = 20
    changes: int = 400
    """Of examples, by all readers together."""
    more: int = 1200
    """Changes after these, before memory is looked at again."""


def run(amount: Amount | None = None) -> list[Line]:
    """Measures all of it on the shipped run and on made-up ones, in a temporary folder."""
    if (missing := browser.missing()) is not None:
        print(f"The dashboard is not measured: {missing}.")
        return []  # so lines that were measured elsewhere stay
    amount = amount or Amount()
    about = f"made-up run of {amount.large}"
    with tempfile.TemporaryDirectory(prefix="dashboard-") as name:
        large, points = Path(name) / "large", Path(name) / "points"
        large_run(large / "made-up-large", amount.large)
        points_run(points / "made-up-points", amount.points // 2)
        folders = {opening.SHIPPED: SHIPPED_RUNS, opening.LARGE: large}
        with browser.chromium() as chromium:
            found = [
                *opening.lines(chromium, folders, amount.openings, about),
                opening.interventions_line(chromium, SHIPPED_RUNS),
                *clicks.lines(chromium, SHIPPED_RUNS, amount.rounds),
                *frames.hover_lines(chromium, large, amount.moves, about),
                *frames.points_lines(chromium, points, amount.frames, amount.points),
            ]
    return [*found, *readers.lines(SHIPPED_RUNS, amount.readers, amount.changes, amount.more)]
