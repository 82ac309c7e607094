"""The art of the emoji config `full`, from the npm registry."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from limoe_core.data import npm
from limoe_core.data.emoji.art import PACKAGES, art_folder, has_full_art, tarball_name
from limoe_core.files import replacing


def fetch_art(data_dir: Path, *, progress: bool = True) -> list[Path]:
    """Puts the packages that are missing where the builder looks for them.

    Each appears whole or not at all; those that are there are left alone.

    Args:
      data_dir: the TFDS data directory.
      progress: whether to show a progress bar.

    Returns:
      the files that were fetched.

    Raises:
      limoe_core.data.npm.FetchError: npm is missing, or does not get a package.
    """
    from tqdm.auto import tqdm

    folder = art_folder(data_dir)
    if has_full_art(folder):
        return []
    program = npm.find_npm("train on the config 'base', which needs Python alone")
    folder.mkdir(parents=True, exist_ok=True)
    missing = [style for style in PACKAGES if not (folder / tarball_name(style)).is_file()]
    fetched = []
    with tempfile.TemporaryDirectory() as temporary:
        for style in tqdm(missing, desc="Fetching emoji art", unit="", disable=not progress):
            tarball = npm.pack(
                program, *PACKAGES[style], Path(temporary), member="package/icons.json"
            )
            target = folder / tarball_name(style)
            with replacing(target) as part:
                shutil.copyfile(tarball, part)
            fetched.append(target)
    return fetched
