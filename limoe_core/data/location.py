"""Places of data sets on disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from limoe_core import places
from limoe_core.config import ConfigError


def data_directory(chosen: str | None) -> Path:
    """The TFDS data directory: the chosen one, else TFDS's own default.

    Raises:
      ConfigError: none is chosen, and the user has no home where the default could be.
    """
    if chosen is not None:
        return Path(os.path.expanduser(chosen))
    default = places.default_data()
    if default is None:
        raise ConfigError(
            "this user has no home folder where data sets could lie; name a folder with "
            "--data.dir, or in the environment as TFDS_DATA_DIR"
        )
    return default


def remove_unfinished(folder: Path) -> None:
    """Delete what interrupted builds left behind; call it only under the build's lock."""
    for leftover in folder.glob("incomplete.*"):
        shutil.rmtree(leftover, ignore_errors=True)
