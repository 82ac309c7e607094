"""Folders of the user who runs this, and the places on this machine that the user has named.

A run says where its data lay when it was trained, and a run may come from anybody. So a place that
a run names is followed only if the user has named it too: in training, or with `--data.dir`. What
was named is remembered in the user's cache, so that one's own runs find their data.
"""

from __future__ import annotations

import functools
import json
import os
from contextlib import suppress
from pathlib import Path

from limoe_core.files import write_json

_NAMED = "named-places.json"
_MOST = 1_000
_LARGEST = 1 << 20  # bytes

_named_here: set[str] = set()
"""Named in this process, wherever the cache can be written or not."""


def home() -> Path | None:
    """The user's home; None for a user who has none that is there, as in many containers."""
    try:
        found = Path.home()
    except RuntimeError:
        return None
    return found if found.is_dir() else None


def cache(*parts: str) -> Path | None:
    """A folder in the user's cache, made if it is missing; None where there can be none.

    Args:
      parts: its name below the project's own folder.
    """
    folder = _cache()
    return None if folder is None else writable(folder.joinpath(*parts))


def writable(folder: Path) -> Path | None:
    """The folder, made if it is missing; None if nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


def default_data() -> Path | None:
    """The TFDS data directory: TFDS_DATA_DIR, else ~/tensorflow_datasets; None without a home."""
    named = os.environ.get("TFDS_DATA_DIR")
    if named:
        return _expanded(named)
    at_home = home()
    return None if at_home is None else at_home / "tensorflow_datasets"


def name(*places: str | os.PathLike[str] | None) -> None:
    """Take note that the user has named these files or folders."""
    found = {_resolved(place) for place in places if place is not None} - _named_here
    if not found:
        return
    _named_here.update(found)
    folder = cache()
    if folder is None:
        return
    before = _read(folder / _NAMED)
    kept = tuple(dict.fromkeys([*before, *sorted(found)]))[-_MOST:]
    if kept != before:
        with suppress(OSError):
            write_json(folder / _NAMED, {"places": kept})


def is_named(place: str | os.PathLike[str]) -> bool:
    """Whether the user has named this place, or it lies in their own data directory."""
    try:
        resolved = _resolved(place)
    except ValueError:  # no place can have such a name
        return False
    if resolved in _named_here:
        return True
    own = default_data()
    if own is not None and Path(resolved).is_relative_to(os.path.realpath(own)):
        return True
    folder = _cache()
    return folder is not None and resolved in _read(folder / _NAMED)


def _cache() -> Path | None:
    named = os.environ.get("XDG_CACHE_HOME", "")
    at_home = home()
    if os.path.isabs(named):
        return Path(named) / "limoe-lens"
    return None if at_home is None else at_home / ".cache" / "limoe-lens"


def _read(file: Path) -> tuple[str, ...]:
    try:
        found = file.stat()
    except OSError:
        return ()
    return _read_at(file, (found.st_mtime_ns, found.st_size)) if found.st_size < _LARGEST else ()


@functools.lru_cache(maxsize=4)  # a list of runs asks once for each
def _read_at(file: Path, stamp: tuple[int, int]) -> tuple[str, ...]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))["places"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ()
    return tuple(each for each in found if isinstance(each, str)) if isinstance(found, list) else ()


def _resolved(place: str | os.PathLike[str]) -> str:
    return os.path.realpath(_expanded(place))


def _expanded(place: str | os.PathLike[str]) -> Path:
    return Path(os.path.expanduser(place))  # leaves "~" as it is where there is no home
