"""Folders that appear whole or not at all, also where whoever makes them is killed."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from limoe_core.locks import is_held, locked

#: Held for as long as a folder is filled.
_FILLING = ".filling"
#: Seconds within which a folder that nobody holds may be one that is about to be held; and the same
#: where the file system has no locks, so that nobody can tell.
_MOMENT, _DAY = 60.0, 86_400.0


@contextmanager
def made(place: Path) -> Iterator[Path]:
    """A folder to fill, which is then renamed to `place`, with the rights of the folder around it.

    It has a hidden name until then. What processes that were killed left under such names of the
    same place is removed first.

    Raises:
      OSError: it cannot be made, or something is at `place` already.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    _clear(place)
    # Of a name that nobody else has: in containers, all processes may have one number.
    temporary = Path(tempfile.mkdtemp(prefix=_prefix(place), dir=place.parent))
    try:
        temporary.chmod(place.parent.stat().st_mode & 0o777)
        with locked(temporary / _FILLING):
            yield temporary
            (temporary / _FILLING).unlink()
            os.rename(temporary, place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _prefix(place: Path) -> str:
    return f".{place.name}.new-"


def _clear(place: Path) -> None:
    for leftover in place.parent.glob(f"{escape(_prefix(place))}????????"):
        with suppress(OSError):  # of another user, or gone meanwhile
            age = time.time() - leftover.lstat().st_mtime
            if age > _MOMENT and _is_abandoned(leftover, age):
                shutil.rmtree(leftover)


def _is_abandoned(folder: Path, age: float) -> bool:
    try:
        # Not to wait for the other end of a FIFO, nor to ask about another's file.
        descriptor = os.open(folder / _FILLING, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        return True
    try:
        held = is_held(descriptor)
    finally:
        os.close(descriptor)
    return age > _DAY if held is None else not held
