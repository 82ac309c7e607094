"""Runs side by side in a folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from limoe_core.runs.directory import Run, check_name
from limoe_core.runs.files import RunError


@dataclass(frozen=True)
class RunListing:
    """A folder among the runs, and why it cannot be opened, if so."""

    path: Path
    name: str
    error: str | None


def list_runs(folder: str | os.PathLike[str]) -> list[RunListing]:
    """The runs in `folder` by name, the unusable ones with the reason; hidden folders left out.

    Raises:
      RunError: `folder` is missing, not a folder, or may not be read.
    """
    place = Path(os.path.abspath(folder))
    try:
        found = sorted(path for path in place.iterdir() if path.is_dir())
    except FileNotFoundError:
        raise RunError(f"the folder of runs {place} does not exist") from None
    except OSError as error:
        raise RunError(f"the folder of runs {place} cannot be read: {error.strerror}") from error
    listings = []
    for path in found:
        if path.name.startswith("."):
            continue
        try:
            Run.open(path)
            reason = None
        except RunError as error:
            reason = str(error)
        listings.append(RunListing(path, path.name, reason))
    return listings


def find_run(folder: str | os.PathLike[str], name: str) -> Run:
    """Opens the run called `name` in `folder`; `name` may come from an untrusted address bar.

    Raises:
      RunError: `name` is not a plain folder name, or is not a run.
    """
    check_name(name)
    return Run.open(Path(folder) / name)
