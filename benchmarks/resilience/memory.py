"""Memory of a process as Linux counts it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Peak:
    """Rise of memory above its start, in MiB."""

    rise: float = 0.0


def resident_mib(process: int | str = "self") -> float:
    """Memory that a process now holds, in MiB."""
    return _status("VmRSS", process)


@contextmanager
def peak_mib() -> Iterator[Peak]:
    """Measure the peak rise of this process's memory in the block."""
    Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark
    before = resident_mib()
    peak = Peak()
    yield peak
    peak.rise = max(0.0, _status("VmHWM", "self") - before)


def _status(name: str, process: int | str) -> float:
    found = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0
