"""One part of the benchmarks, measured in its own process."""

from __future__ import annotations

import importlib
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from typing import Any
from unittest.mock import patch

from benchmarks import machine, report
from benchmarks.version import version
from limoe_core.devices.host import KEEPING_FREED_MEMORY

#: Parts that measure training, whose process keeps what it freed.
_TRAINING = ("steps", "matrix_share", "pytorch", "expert_layer", "input_pipeline")


def measured(part: str) -> list[dict[str, Any]]:
    """The records of `benchmarks.<part>`, from a fresh process.

    So no part sees what another left behind: compiled functions, freed memory, settings.
    """
    fresh = multiprocessing.get_context("spawn")
    with (
        patch.dict(os.environ, KEEPING_FREED_MEMORY if part in _TRAINING else {}),
        ProcessPoolExecutor(max_workers=1, mp_context=fresh) as pool,
    ):
        return pool.submit(_measure, part).result()


def _measure(part: str) -> list[dict[str, Any]]:
    lines = importlib.import_module(f"benchmarks.{part}").run()
    return report.records(lines, part, machine.describe(), version())
