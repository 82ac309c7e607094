"""What a hostile case is, and the files that links of hostile runs lead to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

#: Content of the files outside of the folder of runs. No page and no message may ever show it.
SECRET = "root:x:0:0:this stands in no run"


@dataclass(frozen=True)
class Case:
    """Something hostile on disk."""

    name: str
    """Its name; for a run that of its folder."""
    part: str
    """The part of the run that is hostile, such as `config` or `newest probe`."""
    wrong: str
    """What is wrong, in words."""
    path: Path
    """The run's folder, or the trace file."""


@dataclass(frozen=True)
class Harm:
    """A way to make one part of a run hostile."""

    name: str
    wrong: str
    do: Callable[[Path], None]
    """Is given the part's path in a run that shares its files with others: replaces it, never
    writes into it."""


def put(path: Path, content: bytes | str) -> None:
    """Puts a file in the place of whatever is there."""
    clear(path)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def clear(path: Path) -> None:
    """Removes what is at `path`, if anything is, and makes the folders above it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()
    path.parent.mkdir(parents=True, exist_ok=True)


def share(source: Path, target: Path) -> None:
    """A copy of a run whose files are hard links, which takes no room."""
    shutil.copytree(source, target, copy_function=_link, symlinks=True)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without hard links
        shutil.copyfile(source, target)
