"""A log of one JSON object a line, which may be read while it grows."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from limoe_core.files import replacing, to_json
from limoe_core.runs.files import RunError


def append(path: Path, values: Mapping[str, Any]) -> None:
    """Adds one line in one write; a NaN is written as null. One writer at a time."""
    line = to_json(values) + "\n"
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
    descriptor = os.open(path, flags, 0o666)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = "\n" + line  # leaves a line torn by a killed writer on its own
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def read(path: Path) -> list[dict[str, Any]]:
    """All lines that are whole; [] without a file.

    Raises:
      RunError: the file is there and cannot be read.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}") from error
    lines = []
    for line in raw.split(b"\n"):
        with suppress(ValueError, RecursionError):
            values = json.loads(line)
            if isinstance(values, dict):
                lines.append(values)
    return lines


def keep_until(path: Path, step: int) -> None:
    """Drops the lines of later steps."""
    kept = [line for line in read(path) if line.get("step", 0) <= step]
    with replacing(path) as temporary:
        temporary.write_text("".join(to_json(line) + "\n" for line in kept), encoding="utf-8")
