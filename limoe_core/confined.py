"""Files and folders opened without trust in whoever made them.

Whoever may write into a folder that a program reads may put a link there that leads to any file
that the program's user may read, a FIFO that nobody ever writes to, or a file larger than memory.
So only regular files are opened, only within a boundary, and only up to a size. A link may lead to
another place within the boundary. Where it leads is found out and checked before anything is
opened, and then opened without following further links, so that it cannot be exchanged meanwhile.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

#: The boundary of whoever follows links anywhere.
ANYWHERE = Path("/")

# Enough to go through a folder that may not be listed. macOS has no such thing.
_PASSING = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Not to wait for the other end of a FIFO that took the file's place just now.
_READING = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a link that leads to itself",
}


class RefusedError(ValueError):
    """Something that is not opened, said in a sentence that names it."""


@contextmanager
def opened(path: Path, *, within: Path = ANYWHERE, most: int) -> Iterator[BinaryIO]:
    """Opens a regular file for reading.

    Args:
      within: the folder that its place, links followed, must lie in.
      most: the largest size in bytes that is taken.

    Raises:
      RefusedError: it leads out of `within`, is no regular file, or is larger.
      OSError: it is not there, or may not be read.
    """
    with _parent(path, within) as (parent, name):
        _require_regular(path, os.stat(name, dir_fd=parent, follow_symlinks=False))
        descriptor = os.open(name, _READING, dir_fd=parent)
    with os.fdopen(descriptor, "rb") as file:
        state = os.fstat(descriptor)
        _require_regular(path, state)
        if state.st_size > most:
            raise RefusedError(
                f"{path} has {_mib(state.st_size)} MiB, and at most {_mib(most)} MiB are read"
            )
        yield file


def read_bytes(path: Path, *, within: Path = ANYWHERE, most: int) -> bytes:
    """The content of a regular file; see `opened`."""
    with opened(path, within=within, most=most) as file:
        return file.read(most)


def names(path: Path, *, within: Path = ANYWHERE, most: int = 100_000) -> list[str]:
    """Names of the entries of a folder, in no order.

    Raises:
      RefusedError: the folder leads out of `within`, or has more than `most` entries.
      OSError: it is not there, is no folder, or may not be read.
    """
    found = []
    with _parent(path, within) as (parent, name):
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(name, flags, dir_fd=parent)
    try:
        with os.scandir(descriptor) as entries:
            for entry in entries:
                found.append(entry.name)
                if len(found) > most:
                    raise RefusedError(f"{path} has more than {most:,} entries")
    finally:
        os.close(descriptor)
    return found


def tree(
    path: Path, *, within: Path = ANYWHERE, most: int = 50_000, deepest: int = 8
) -> list[tuple[str, os.stat_result]]:
    """Every file below a folder that another library opens by itself, with its state, by name.

    Raises:
      RefusedError: the folder leads out of `within`; it holds more than `most` files, folders that
        lie deeper than `deepest`, or anything but regular files and folders, links included.
      OSError: it is not there, or may not be read.
    """
    found: list[tuple[str, os.stat_result]] = []

    def walk(folder: str, depth: int) -> None:
        if depth > deepest:
            raise RefusedError(f"{path} holds folders within folders, more than {deepest} deep")
        with os.scandir(folder) as entries:
            for entry in entries:
                state = entry.stat(follow_symlinks=False)
                if stat.S_ISLNK(state.st_mode):
                    raise RefusedError(f"{entry.path} is a link, and no links are followed there")
                if stat.S_ISDIR(state.st_mode):
                    walk(entry.path, depth + 1)
                    continue
                _require_regular(Path(entry.path), state)
                found.append((entry.path, state))
                if len(found) > most:
                    raise RefusedError(f"{path} holds more than {most:,} files")

    walk(str(real(path, within)), 1)
    return sorted(found, key=lambda each: each[0])


def real(path: Path, within: Path = ANYWHERE) -> Path:
    """Where a path leads, with all links followed; nothing there is opened.

    Raises:
      RefusedError: it leads out of `within`.
    """
    inside, place = os.path.realpath(within), os.path.realpath(path)
    if os.path.commonpath([inside, place]) != inside:
        raise RefusedError(
            f"{path} is, or lies behind, a link that leads out of the folder {within.name!r}"
        )
    return Path(place)


@contextmanager
def _parent(path: Path, within: Path) -> Iterator[tuple[int, str]]:
    """The folder that a path leads to, open, and the name in it; no link is followed on the way."""
    *folders, name = real(path, within).parts[1:] or ("",)
    descriptor = os.open("/", _PASSING)
    try:
        for folder in folders:
            inner = os.open(folder, _PASSING, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor, name or "."
    finally:
        os.close(descriptor)


def _require_regular(path: Path, state: os.stat_result) -> None:
    if not stat.S_ISREG(state.st_mode):
        kind = _KINDS.get(stat.S_IFMT(state.st_mode), "something else")
        raise RefusedError(f"{path} cannot be read: it is {kind}, not a file")


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f}"
