"""The study's table: one line of JSON for each run, added when it is done and never changed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.study.arms import ARMS
from benchmarks.study.claims import Table
from benchmarks.version import version
from limoe_core.runs import metrics

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "study"
RESULTS = FOLDER / "results.jsonl"
#: Folders whose code decides what a run does and what is measured.
_CODE = ("limoe_core", "analysis", "benchmarks/study")


def read(path: Path = RESULTS) -> Table:
    """The lines by arm and seed; of two of one run the later, and none that is torn."""
    return {
        (line["arm"], line["seed"]): line
        for line in metrics.read(path)
        if line.get("arm") in ARMS and "zero_shot" in line
    }


def add(line: dict[str, Any], path: Path = RESULTS) -> None:
    """Adds a line, with when it was and with which code; one process at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    metrics.append(
        path, {**line, "code": version(_CODE).commit, "time": datetime.now(UTC).isoformat()}
    )


def missing(table: Table, arms: Iterable[str], seeds: int) -> list[tuple[str, int]]:
    """The runs to make, seed by seed, each after the one that it starts from.

    Args:
      arms: those that are wanted; what one of them starts from is made besides.
      seeds: how many.
    """
    wanted = set(arms)
    wanted |= {ARMS[arm].start for arm in wanted} - {""}
    return [
        (arm, seed)
        for seed in range(seeds)
        for arm in ARMS
        if arm in wanted and (arm, seed) not in table
    ]
