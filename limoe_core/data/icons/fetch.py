"""The package of all icon sets, from the npm registry."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from limoe_core.data import npm
from limoe_core.data.icons.package import COLLECTIONS
from limoe_core.data.icons.version import PACKAGE, tarball
from limoe_core.files import replacing


def fetch_package(data_dir: Path) -> list[Path]:
    """Puts the package where the builder looks for it, whole or not at all.

    Args:
      data_dir: the TFDS data directory.

    Returns:
      the file, unless it was there.

    Raises:
      limoe_core.data.npm.FetchError: npm is missing, or does not get the package.
    """
    target = tarball(data_dir)
    if target.is_file():
        return []
    program = npm.find_npm("train on the set emoji, which needs Python alone")
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, as there may be no room for 104 MB in memory-backed temporary folders.
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        fetched = npm.pack(program, *PACKAGE, Path(temporary), member=COLLECTIONS)
        with replacing(target) as part:
            shutil.move(fetched, part)
    return [target]
