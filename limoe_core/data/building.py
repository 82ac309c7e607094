"""Builds of our own TFDS data sets: once, whole or not at all."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from limoe_core.config import ConfigError
from limoe_core.data.location import remove_unfinished
from limoe_core.locks import locked


def is_whole(folder: Path) -> bool:
    """True if `folder` holds a whole version of a data set."""
    # TFDS writes this file last into a folder that it then renames, so it means a whole build.
    return (folder / "dataset_info.json").is_file()


def build_once(builder: Any) -> None:
    """Build a TFDS data set, unless another process did so while this one waited.

    TFDS writes to a temporary folder and renames it when it is whole.

    Raises:
      ConfigError: a package that the pictures come from is not installed.
    """
    import tensorflow_datasets as tfds

    version = Path(builder.data_path)
    folder = version.parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.parent / f".{folder.name}.lock"):
        if is_whole(version):
            return
        remove_unfinished(folder)
        with _quiet_tfds():
            try:
                builder.download_and_prepare(
                    download_config=tfds.download.DownloadConfig(try_download_gcs=False)
                )
            except ModuleNotFoundError as error:
                raise ConfigError(str(error)) from error


@contextlib.contextmanager
def _quiet_tfds() -> Iterator[None]:
    """Keep TFDS's build messages off the screen, where our progress bar is.

    Its messages go to standard output, which belongs to the program that called us.
    """
    import tensorflow_datasets as tfds
    from absl import logging

    level = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        tfds.enable_progress_bar()
        logging.set_verbosity(level)
