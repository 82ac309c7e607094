"""A survey of a prepared split: its pictures, which cannot be read, and what is said of them.

It reads every record once, and decodes its picture unless there are very many. The result is kept
in the user's cache for as long as the files of the split keep their names, sizes and times of
change.
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
from typing import Any, Protocol, TypeVar

import numpy as np
import pyarrow as pa
from jaxtyping import Int64, UInt64

from limoe_core import places
from limoe_core.data.negatives import copy_groups
from limoe_core.data.pairs import SIDE, new_digest
from limoe_core.data.preprocess import PictureError, open_picture
from limoe_core.data.texts import AT_ONCE
from limoe_core.files import replacing
from limoe_core.settings import ConfigError

#: Splits of more pictures are not decoded before they are used: it would take hours.
DECODED_AT_MOST = 200_000
#: Raised when the digest, or what counts as damaged or as a copy, changes.
_VERSION = 3
_READ_AT_ONCE = 256
#: Fewer pictures are surveyed without a bar, as it takes a moment.
_MANY = 5000

_Kept = TypeVar("_Kept", covariant=True)
Examples = Sequence[Mapping[str, Any]]
"""Records as TFDS gives them."""


class Column(Protocol[_Kept]):
    """What a survey keeps of each record besides its picture, in an Arrow file."""

    def schema(self, of: Any) -> pa.Schema:
        """Of the file; `of` is JSON data that says what it is of."""
        ...

    def rows(self, start: int, examples: Examples) -> pa.RecordBatch:
        """What is kept of some records, from a number on.

        Raises:
          ConfigError: what one says cannot be used.
        """
        ...

    def read(self, file: Path | pa.Buffer, of: Any) -> _Kept:
        """What was kept.

        Raises:
          ValueError: it is damaged, or not of this.
        """
        ...


@dataclass(frozen=True)
class Survey:
    """What was found in the pictures of a split."""

    content: str
    """Digest of the encoded pictures in their order, without those that are known to be damaged."""
    damaged: Mapping[int, str]
    """Numbers of the records whose picture cannot be read, and why."""
    copies: tuple[tuple[int, ...], ...] = ()
    """Numbers of the records that have the same picture, byte by byte, group by group."""


def survey(
    source: Any,
    files: Sequence[Path],
    label: str,
    *,
    decode: bool = True,
    progress: bool = False,
) -> Survey:
    """The survey of a split, from the cache if its files are those that were surveyed.

    Args:
      source: records by number, with the encoded picture as `image`.
      files: where they lie.
      label: name of the split, for the progress bar.
      decode: whether to look for damaged pictures.
    """
    key, kept = _key(files, len(source), decode), _cached(files)
    if kept is not None and (found := _read(kept, key)) is not None:
        return found
    found = _survey(_blocks(source, label, progress), decode)
    if kept is not None:
        _write(kept, key, found)
    return found


def survey_with(
    column: Column[_Kept],
    source: Any,
    files: Sequence[Path],
    label: str,
    *,
    decode: bool = True,
    progress: bool = False,
) -> tuple[Survey, _Kept]:
    """The same, and what a column keeps of every record, damaged or not.

    Raises:
      ConfigError: from the column, or what it keeps finds no room.
    """
    key, kept = _key(files, len(source), decode), _cached(files)
    beside = None if kept is None else kept.with_suffix(".arrow")
    if kept is not None and beside is not None and (found := _read(kept, key)) is not None:
        with suppress(OSError, ValueError):
            return found, column.read(beside, key)
    blocks = _blocks(source, label, progress)
    if kept is None or beside is None:
        out = pa.BufferOutputStream()
        found = _survey(_keeping(blocks, column, out, key), decode)
        return found, column.read(out.getvalue(), key)
    try:
        with replacing(beside) as temporary, pa.OSFile(str(temporary), "wb") as file:
            found = _survey(_keeping(blocks, column, file, key), decode)
    except OSError as error:
        raise ConfigError(
            f"what is said in {label} cannot be kept in {beside.parent}: "
            f"{error.strerror or error}; make room, or name another folder with XDG_CACHE_HOME"
        ) from error
    _write(kept, key, found)
    return found, column.read(beside, key)


def _survey(blocks: Iterable[tuple[int, Examples]], decode: bool) -> Survey:
    digest = new_digest()
    damaged: dict[int, str] = {}
    whole, content = array("q"), array("Q")
    with ThreadPoolExecutor() as pool:  # Pillow decodes outside the interpreter lock.
        for start, examples in blocks:
            pictures = [example["image"] for example in examples]
            whys = pool.map(damage, pictures) if decode else [None] * len(pictures)
            for place, (picture, why) in enumerate(zip(pictures, whys, strict=True), start):
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
    several = np.flatnonzero(np.bincount(group)[group] > 1)
    several = several[np.argsort(group[several], kind="stable")]
    each = np.split(records[several], np.flatnonzero(np.diff(group[several])) + 1)
    return tuple(tuple(some.tolist()) for some in each)


def _keeping(
    blocks: Iterable[tuple[int, Examples]], column: Column[Any], out: Any, of: Any
) -> Iterator[tuple[int, Examples]]:
    """The same blocks, while what a column keeps of them is written, `AT_ONCE` rows at a time."""
    waiting: list[pa.RecordBatch] = []
    with pa.ipc.new_file(out, column.schema(of)) as writer:
        for start, examples in blocks:
            waiting.append(column.rows(start, examples))
            yield start, examples
            if (start + len(examples)) % AT_ONCE == 0:
                writer.write_batch(pa.concat_batches(waiting))
                waiting.clear()
        if waiting:
            writer.write_batch(pa.concat_batches(waiting))


def _blocks(source: Any, label: str, progress: bool) -> Iterator[tuple[int, Examples]]:
    from tqdm.auto import tqdm

    count = len(source)
    with tqdm(
        total=count,
        desc=f"Checking the pictures of {label}",
        disable=not progress or count < _MANY,
    ) as bar:
        for start in range(0, count, _READ_AT_ONCE):
            numbers = list(range(start, min(start + _READ_AT_ONCE, count)))
            yield start, source.__getitems__(numbers)
            bar.update(len(numbers))


def damage(picture: bytes) -> str | None:
    """Why a picture cannot be read; None if it can."""
    try:
        open_picture(picture, at_least=2 * SIDE)
    except PictureError as error:
        return str(error)
    return None


def _key(files: Iterable[Path], count: int, decode: bool) -> dict[str, Any]:
    """What a cached survey is of."""
    stamps = new_digest()
    for file in files:
        stat = file.stat()
        stamps.update(repr((file.name, stat.st_size, stat.st_mtime_ns)).encode())
    about = {"version": _VERSION, "records": count, "decoded": decode}
    return {**about, "files": stamps.hexdigest()}


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
