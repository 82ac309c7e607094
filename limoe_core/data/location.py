"""Where data sets lie on disk, and one builder at a time."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path


def data_directory(chosen: str | None) -> Path:
    """The TFDS data directory: as set, else the one TFDS itself would take."""
    if chosen is not None:
        return Path(chosen).expanduser()
    # Takes TFDS_DATA_DIR into account, with ~/tensorflow_datasets as its default.
    from tensorflow_datasets.core.constants import DATA_DIR

    return Path(DATA_DIR).expanduser()


@contextlib.contextmanager
def only_one(lock_file: Path) -> Iterator[None]:
    """Keeps other processes on this machine out of the same work until the block is left.

    The lock goes with the process, so one that is killed leaves nothing to clean up.
    """
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("a") as handle:
        try:
            import fcntl
        except ImportError:  # Windows: the rename at the end of a build still makes it atomic.
            yield
            return
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def remove_unfinished(folder: Path) -> None:
    """Deletes what builds that were interrupted left behind; call it under the lock only."""
    for leftover in folder.glob("incomplete.*"):
        shutil.rmtree(leftover, ignore_errors=True)
