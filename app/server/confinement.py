"""Confinement of all run files to the folder of runs.

A symbolic link may lead to another place in that folder, as people do who keep a run under two
names. One that leads out of it is refused: whoever may write into the folder, a training job on a
shared machine perhaps, could otherwise show any file that the dashboard's user may read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from limoe_core.runs.directory import RunError

#: Folders of a run whose entries are looked at as well: steps, probes, predictions. What lies
#: deeper is Orbax's, which reads numbers alone.
_DEPTH = 2


def check(folder: Path, run: Path) -> None:
    """Refuses a run with links that lead out of the folder of runs.

    Raises:
      RunError: something of it is a link that leads out of `folder`.
    """
    inside = os.path.realpath(folder)
    for path in _links(run):
        if os.path.commonpath([inside, os.path.realpath(path)]) != inside:
            which = "it" if path == str(run) else os.path.relpath(path, run)
            raise RunError(
                f"{run} is not opened: {which} is a link that leads out of the folder of runs"
            )


def _links(run: Path) -> Iterator[str]:
    if run.is_symlink():
        yield str(run)
    yield from _links_in(str(run), _DEPTH)


def _links_in(folder: str, depth: int) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            found = list(entries)
    except OSError:  # it went away, or may not be read: whoever opens it says so
        return
    for entry in found:
        if entry.is_symlink():
            yield entry.path
        elif depth > 1 and entry.is_dir(follow_symlinks=False):
            yield from _links_in(entry.path, depth - 1)
