"""Packages of pictures from the npm registry."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

_TIMEOUT = 600


class FetchError(RuntimeError):
    """Pictures that could not be fetched, said in words a user can act on."""


def find_npm(otherwise: str) -> str:
    """The npm program.

    Args:
      otherwise: what a user may do without it, as the end of a sentence.

    Raises:
      FetchError: it is not installed.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise FetchError(
            "npm is not installed, and the further art styles come from its registry. Install "
            f"Node.js (https://nodejs.org), or {otherwise}."
        )
    return npm


def tarball_name(package: str, version: str) -> str:
    """File name that `npm pack` gives a package."""
    return f"{package.removeprefix('@').replace('/', '-')}-{version}.tgz"


def pack(npm: str, package: str, version: str, folder: Path, *, member: str) -> Path:
    """One package as a tarball in `folder`; npm checks it against the registry's digest.

    Args:
      member: a file that a package of the wanted kind holds.

    Raises:
      FetchError: npm does not get it, or it is another kind of package.
    """
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
    tarball = folder / tarball_name(package, version)
    try:
        with tarfile.open(tarball, "r:gz") as archive:
            archive.getmember(member)
    except (OSError, EOFError, KeyError, tarfile.TarError) as error:
        raise FetchError(f"npm fetched {wanted}, but it is not an Iconify package") from error
    return tarball
