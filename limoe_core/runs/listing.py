"""Runs side by side in a folder."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from limoe_core.confined import ANYWHERE
from limoe_core.runs.description import check_name
from limoe_core.runs.directory import Run
from limoe_core.runs.files import RunError, brief

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunListing:
    """A folder among the runs, and why it cannot be opened, if so."""

    path: Path
    name: str
    error: str | None


def list_runs(folder: str | os.PathLike[str], *, within: Path = ANYWHERE) -> list[RunListing]:
    """The runs in `folder` by name, the unusable ones with the reason; hidden folders left out.

    Args:
      within: as in `Run.open`.

    Raises:
      RunError: `folder` is missing, not a folder, or may not be read.
    """
    found = ((path, usable(path, within)) for path in folders(folder))
    return [
        RunListing(path, path.name, each if isinstance(each, str) else None) for path, each in found
    ]


def folders(folder: str | os.PathLike[str]) -> list[Path]:
    """The folders in `folder` that may be runs, by name; nothing in them is opened.

    Raises:
      RunError: `folder` is missing, not a folder, or may not be read.
    """
    place = Path(os.path.abspath(folder))
    try:
        with os.scandir(place) as entries:
            found = [entry.name for entry in entries if not entry.is_file(follow_symlinks=False)]
    except FileNotFoundError:
        raise RunError(f"the folder of runs {place} does not exist") from None
    except OSError as error:
        raise RunError(f"the folder of runs {place} cannot be read: {error.strerror}") from error
    return [place / name for name in sorted(found) if not name.startswith(".")]


def usable(path: Path, within: Path = ANYWHERE) -> Run | str:
    """The run in a folder, if it can be opened by its name; otherwise the reason why not.

    A run may come from anybody, and no run may take the others from their readers: whatever goes
    wrong with this one is a reason, and never an error.
    """
    try:
        check_name(path.name)
        return Run.open(path, within=within)
    except RunError as error:
        return str(error)
    except Exception as error:
        _LOG.exception("%r cannot be opened as a run", path)
        return f"{path} cannot be opened: {brief(error)}"


def find_run(folder: str | os.PathLike[str], name: str, *, within: Path = ANYWHERE) -> Run:
    """Opens the run called `name` in `folder`; `name` may come from an untrusted address bar.

    Args:
      within: as in `Run.open`.

    Raises:
      RunError: `name` is not a plain folder name, or is not a run.
    """
    check_name(name)
    return Run.open(Path(folder) / name, within=within)
