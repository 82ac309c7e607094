"""A log of one JSON object a line, which may be read while it grows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from limoe_core.confined import ANYWHERE
from limoe_core.files import from_json, replacing, to_json
from limoe_core.runs.files import is_there, opened

#: How much of a log is read, counted from its end.
MOST_BYTES, MOST_LINES = 32 * 2**20, 100_000
#: A line of 500 layers with thousands of experts is shorter.
_LONGEST_LINE = 2**20
# The file may have any size, as no more than its end is read.
_ANY_SIZE = 2**62


def append(path: Path, values: Mapping[str, Any]) -> None:
    """Adds one line in one write; a NaN is written as null. One writer at a time."""
    line = to_json(values) + "\n"
    # A run may be a stranger's: what a link in the log's place leads to is none of it.
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags, 0o666)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = "\n" + line  # leaves a line torn by a killed writer on its own
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def read(path: Path, within: Path = ANYWHERE) -> list[dict[str, Any]]:
    """The newest whole lines; [] without a file.

    At most `MOST_LINES` lines, of the last `MOST_BYTES` of the file. A line that is torn, longer
    than `_LONGEST_LINE`, or whose step is no whole number is skipped.

    Raises:
      RunError: the file is there and cannot be read.
    """
    if not is_there(path):
        return []
    with opened(path, _ANY_SIZE, within) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - MOST_BYTES))
        raw = file.read(MOST_BYTES)
    found = raw.rsplit(b"\n", MOST_LINES)[-MOST_LINES:]
    # A line that begins before what was read is not whole, and so is no JSON object.
    return [values for values in map(_values, found) if values is not None]


def _values(line: bytes) -> dict[str, Any] | None:
    """What a line says; None if it cannot be used."""
    if not line or len(line) > _LONGEST_LINE:
        return None
    try:
        values = from_json(line.decode())
    except ValueError:
        return None
    if not isinstance(values, dict):
        return None
    step = values.get("step", 0)
    return values if type(step) is int and 0 <= step < 10**12 else None


def keep_until(path: Path, step: int) -> None:
    """Drops the lines of later steps, and those that cannot be used."""
    with path.open("rb") as lines, replacing(path) as temporary, temporary.open("wb") as kept:
        for line in lines:
            values = _values(line.rstrip(b"\n"))
            if values is not None and values.get("step", 0) <= step:
                kept.write(line if line.endswith(b"\n") else line + b"\n")
