"""One part of the benchmarks, measured in its own process."""

from __future__ import annotations

import importlib
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from benchmarks import machine, report
from benchmarks.version import version


def measured(part: str) -> list[dict[str, Any]]:
    """The records of `benchmarks.<part>`, from a fresh process.

    So no part sees what another left behind: compiled functions, freed memory, settings.
    """
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=fresh) as pool:
        return pool.submit(_measure, part).result()


def _measure(part: str) -> list[dict[str, Any]]:
    lines = importlib.import_module(f"benchmarks.{part}").run()
    return report.records(lines, part, machine.describe(), version())
