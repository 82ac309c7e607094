"""Builds of our own TFDS data sets: once, whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from limoe_core.config import ConfigError
from limoe_core.data.location import remove_unfinished
from limoe_core.locks import locked

#: A disk, a quota or a size that is exceeded, and places where nothing may be written.
_NOT_WRITTEN = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO),
    *(errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST),
)


def is_whole(folder: Path) -> bool:
    """True if `folder` holds a whole version of a data set."""
    # TFDS writes this file last into a folder that it then renames, so it means a whole build.
    return (folder / "dataset_info.json").is_file()


def build_once(builder: Any) -> None:
    """Build a TFDS data set, unless another process did so while this one waited.

    TFDS writes to a temporary folder and renames it when it is whole.

    Raises:
      ConfigError: a package that the pictures come from is not installed, or the folder cannot be
        written, as when the disk is full; what was half made is removed.
    """
    version = Path(builder.data_path)
    folder = version.parent
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder.parent / f".{folder.name}.lock"):
            if is_whole(version):
                return
            remove_unfinished(folder)
            try:
                _prepare(builder)
            finally:
                remove_unfinished(folder)
    except ModuleNotFoundError as error:
        raise ConfigError(str(error)) from error
    except Exception as error:
        reason = _why_not_written(error)
        if isinstance(error, FileNotFoundError) and not folder.parent.is_dir():
            reason = "it was deleted meanwhile"
        if reason is None:
            raise
        raise ConfigError(
            f"the data set cannot be built in {folder}: {reason}. Nothing of it is left there; "
            "make room, or name another folder with --data.dir"
        ) from error


def _prepare(builder: Any) -> None:
    import tensorflow_datasets as tfds

    with _quiet_tfds():
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(try_download_gcs=False)
        )


def _why_not_written(error: BaseException | None) -> str | None:
    """Why a folder takes no more, if that is the error's cause; else None."""
    while error is not None:
        for code in _NOT_WRITTEN:
            # ArrayRecord's writer raises errors of its own, which name the system's in their text.
            if getattr(error, "errno", None) == code or os.strerror(code) in str(error):
                return os.strerror(code)
        error = error.__cause__ or error.__context__
    return None


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
