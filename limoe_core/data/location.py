"""Places of data sets on disk."""

from __future__ import annotations

import shutil
from pathlib import Path


def data_directory(chosen: str | None) -> Path:
    """The TFDS data directory: the chosen one, else TFDS's own default."""
    if chosen is not None:
        return Path(chosen).expanduser()
    # Takes TFDS_DATA_DIR into account, with ~/tensorflow_datasets as its default.
    from tensorflow_datasets.core.constants import DATA_DIR

    return Path(DATA_DIR).expanduser()


def remove_unfinished(folder: Path) -> None:
    """Delete what interrupted builds left behind; call it only under the build's lock."""
    for leftover in folder.glob("incomplete.*"):
        shutil.rmtree(leftover, ignore_errors=True)
