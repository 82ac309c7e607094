"""A survey of the pictures of a prepared split: what they are, and which cannot be read.

It reads and decodes every picture, once: the result is kept in the user's cache for as long as the
files of the split keep their names, sizes and times of change.
"""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt64

from limoe_core import places
from limoe_core.data.negatives import copy_groups
from limoe_core.data.pairs import SIDE, new_digest
from limoe_core.data.preprocess import PictureError, open_picture
from limoe_core.files import replacing

#: Raised when the digest, or what counts as damaged or as a copy, changes.
_VERSION = 2
_READ_AT_ONCE = 256
#: Fewer pictures are surveyed without a bar, as it takes a moment.
_MANY = 5000


@dataclass(frozen=True)
class Survey:
    """What was found in the pictures of a split."""

    content: str
    """Digest of the encoded pictures that can be read, in their order."""
    damaged: Mapping[int, str]
    """Numbers of the records whose picture cannot be read, and why."""
    copies: tuple[tuple[int, ...], ...] = ()
    """Numbers of the records that have the same picture, byte by byte, group by group."""


def survey(source: Any, files: Sequence[Path], label: str, *, progress: bool = False) -> Survey:
    """The survey of a split, from the cache if its files are those that were surveyed.

    Args:
      source: records by number, with the encoded picture as `image`.
      files: where they lie.
      label: name of the split, for the progress bar.
    """
    key = _key(files, len(source))
    kept = _cached(files)
    if kept is not None and (found := _read(kept, key)) is not None:
        return found
    found = _survey(source, label, progress)
    if kept is not None:
        _write(kept, key, found)
    return found


def _survey(source: Any, label: str, progress: bool) -> Survey:
    digest = new_digest()
    damaged: dict[int, str] = {}
    whole, content = array("q"), array("Q")
    with ThreadPoolExecutor() as pool:  # Pillow decodes outside the interpreter lock.
        for start, pictures in _blocks(source, label, progress):
            for place, (picture, why) in enumerate(
                zip(pictures, pool.map(damage, pictures), strict=True), start
            ):
                if why is not None:
                    damaged[place] = why
                    continue
                digest.update(len(picture).to_bytes(8, "little"))
                digest.update(picture)
                whole.append(place)
                content.append(_short_digest(picture))
    copies = _copies(np.array(whole, np.int64), np.array(content, np.uint64))
    return Survey(digest.hexdigest(), damaged, copies)


def _short_digest(picture: bytes) -> int:
    found = new_digest()
    found.update(picture)
    return int.from_bytes(found.digest()[:8], "little")


def _copies(
    records: Int64[np.ndarray, " n"], content: UInt64[np.ndarray, " n"]
) -> tuple[tuple[int, ...], ...]:
    """See `Survey.copies`."""
    group = copy_groups(content)
    if group is None:
        return ()
    order = np.argsort(group, kind="stable")
    each = np.split(records[order], np.flatnonzero(np.diff(group[order])) + 1)
    return tuple(tuple(some.tolist()) for some in each if len(some) > 1)


def _blocks(source: Any, label: str, progress: bool) -> Iterator[tuple[int, list[bytes]]]:
    from tqdm.auto import tqdm

    count = len(source)
    with tqdm(
        total=count,
        desc=f"Checking the pictures of {label}",
        disable=not progress or count < _MANY,
    ) as bar:
        for start in range(0, count, _READ_AT_ONCE):
            places = list(range(start, min(start + _READ_AT_ONCE, count)))
            yield start, [example["image"] for example in source.__getitems__(places)]
            bar.update(len(places))


def damage(picture: bytes) -> str | None:
    """Why a picture cannot be read; None if it can."""
    try:
        open_picture(picture, at_least=2 * SIDE)
    except PictureError as error:
        return str(error)
    return None


def _key(files: Iterable[Path], count: int) -> dict[str, Any]:
    """What a cached survey is of."""
    found = [(file.name, file.stat()) for file in files]
    stamps = [[name, stat.st_size, stat.st_mtime_ns] for name, stat in found]
    return {"version": _VERSION, "records": count, "files": stamps}


def _cached(files: Sequence[Path]) -> Path | None:
    """File of the survey in the user's cache; None where there is no such cache."""
    folder = places.cache("data")
    if folder is None:
        return None
    place = new_digest()
    for file in files:
        place.update(os.fsencode(os.path.abspath(file)) + b"\0")
    return folder / f"{place.hexdigest()}.json"


def _read(path: Path, key: Mapping[str, Any]) -> Survey | None:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["of"] != key:
            return None
        damaged = {int(place): str(why) for place, why in stored["damaged"].items()}
        copies = tuple(tuple(int(place) for place in group) for group in stored["copies"])
        return Survey(str(stored["content"]), damaged, copies)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None  # it is made anew


def _write(path: Path, key: Mapping[str, Any], found: Survey) -> None:
    damaged = {str(place): why for place, why in found.damaged.items()}
    with suppress(OSError):  # costs time at the next start, and nothing else
        with replacing(path) as temporary:
            stored = {
                "of": key,
                "content": found.content,
                "damaged": damaged,
                "copies": found.copies,
            }
            temporary.write_text(json.dumps(stored), encoding="utf-8")
