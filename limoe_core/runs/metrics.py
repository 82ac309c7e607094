"""A log of one JSON object a line, which may be read while it grows."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from limoe_core.confined import ANYWHERE
from limoe_core.files import from_json, replacing, to_json
from limoe_core.runs.files import is_there, opened

#: How much of a log is read, counted from its end.
MOST_BYTES, MOST_LINES = 32 * 2**20, 100_000
#: A line of 500 layers with thousands of experts is shorter.
_LONGEST_LINE = 2**20
#: A log that grew by so much since it was read as a whole is read as a whole again.
_MOST_KEPT = MOST_BYTES + MOST_BYTES // 4
#: Bytes before what is new that tell whether a log was only added to.
_SEAM = 512
# The file may have any size, as no more than its end is read.
_ANY_SIZE = 2**62


def append(path: Path, values: Mapping[str, Any]) -> None:
    """Adds one line in one write; a NaN is written as null. One writer at a time.

    Raises:
      OSError: it cannot be written whole; what was written of it is skipped by `read`.
    """
    line = to_json(values) + "\n"
    # A run may be a stranger's: what a link in the log's place leads to is none of it.
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags, 0o666)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = "\n" + line  # leaves a line torn by a killed writer on its own
        whole = line.encode()
        if os.write(descriptor, whole) < len(whole):  # where a disk is nearly full
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(path))
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


def newest(path: Path, within: Path = ANYWHERE) -> dict[str, Any] | None:
    """The newest whole line about a training step, which has its loss; None if there is none.

    Raises:
      RunError: the file is there and cannot be read.
    """
    if not is_there(path):
        return None
    with opened(path, _ANY_SIZE, within) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 2 * _LONGEST_LINE))
        raw = file.read(2 * _LONGEST_LINE)
    for line in reversed(raw.split(b"\n")):
        values = _values(line) if b'"loss"' in line else None
        if values is not None and "loss" in values and "step" in values:
            return values
    return None


class GrowingLog:
    """A log that is read again and again while it grows: only what is new is read.

    One reader at a time.
    """

    def __init__(self, path: Path, within: Path = ANYWHERE) -> None:
        self._path, self._within = path, within
        self._forget()

    def _forget(self) -> None:
        self._file: tuple[int, int] | None = None
        self._read_from = self._read_to = 0
        self._before = b""

    def more(self) -> tuple[bool, list[dict[str, Any]]]:
        """The lines since the last call, but for one that is yet to end, and whether they go on.

        False where they do not: the log was replaced, as when training goes back to an earlier
        step, and these are all its lines, as `read` gives them.

        Raises:
          RunError: the file is there and cannot be read.
        """
        if not is_there(self._path):
            self._forget()
            return False, []
        with opened(self._path, _ANY_SIZE, self._within) as file:
            state = os.fstat(file.fileno())
            goes_on = self._goes_on(file, state)
            if not goes_on:
                self._forget()
                self._file = (state.st_dev, state.st_ino)
                self._read_from = self._read_to = max(0, state.st_size - MOST_BYTES)
            file.seek(self._read_to)
            raw = file.read(MOST_BYTES)
        raw = raw[: raw.rfind(b"\n") + 1]
        self._read_to += len(raw)
        self._before = (self._before + raw)[-_SEAM:]
        found = raw.rsplit(b"\n", MOST_LINES)[-MOST_LINES:]
        return goes_on, [values for values in map(_values, found) if values is not None]

    def _goes_on(self, file: BinaryIO, state: os.stat_result) -> bool:
        """Whether the file is the one that was read, with more at its end or nothing new."""
        if self._file != (state.st_dev, state.st_ino) or state.st_size < self._read_to:
            return False
        if state.st_size - self._read_from > _MOST_KEPT:
            return False
        file.seek(self._read_to - len(self._before))
        return file.read(len(self._before)) == self._before


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
