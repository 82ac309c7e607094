"""What lies in a folder or file that a user names: the first kind of source that fits."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from limoe_core.config import ConfigError
from limoe_core.data.importing.files import folders, is_picture, walk
from limoe_core.data.importing.kinds import beside, classes, parquet, table, webdataset
from limoe_core.data.importing.records import Place, Source, split_named
from limoe_core.data.importing.rows import ENDINGS

#: After tables, in this order.
_OTHERS: tuple[Callable[[Place], Source | None], ...] = (
    webdataset.recognise,
    parquet.recognise,
    beside.recognise,
    classes.recognise,
)
_ARCHIVES = (".zip", ".7z", ".rar", ".tar.zst")
_SHOWN = 5


def place_of(
    path: str | Path, image_column: str | None = None, text_column: str | None = None
) -> Place:
    """The place that a user names.

    Raises:
      ConfigError: there is nothing, or it cannot be read.
    """
    if not str(path):
        raise ConfigError("--data.path is empty; name a folder or a file with pictures")
    named = Path(os.path.expanduser(path))
    try:
        if named.is_dir():
            next(named.iterdir(), None)
        else:
            named.stat()
    except FileNotFoundError as error:
        raise ConfigError(
            f"there is no {named.absolute()}; name a folder or a file with pictures"
        ) from error
    except OSError as error:
        raise ConfigError(f"{named.absolute()} cannot be read: {error.strerror}") from error
    resolved = named.resolve()
    root = resolved if resolved.is_dir() else resolved.parent
    return Place(root, resolved, image_column, text_column)


class _NoPairs(ConfigError):
    """Nothing of a known kind lies at a place."""


def recognise(place: Place) -> list[Source]:
    """The sources at a place; one for each split where folders or tables are named by splits.

    Raises:
      ConfigError: none is found, or it lacks what is needed.
    """
    wrong: ConfigError | None = None
    try:
        if named := table.recognise(place):
            return list(named)
    except ConfigError as error:  # a table of another purpose may lie beside pairs
        wrong = error
    if parts := _parts(place):
        try:
            return [source for part in parts for source in recognise(part)]
        except ConfigError as error:
            if wrong or len(parts) > 1 or not isinstance(error, _NoPairs):
                raise wrong or error from None
    for kind in _OTHERS:
        if (found := kind(place)) is not None:
            return [found]
    raise wrong or _NoPairs(
        f"no pairs are found in {place.path}. There may be a metadata.csv, metadata.jsonl or "
        "captions.csv with the columns file_name and text; a .txt of the same name beside each "
        "picture; a folder for each of two or more classes; WebDataset tars; or Parquet files "
        f"with the pictures in them{_hint(place)}"
    )


def _parts(place: Place) -> list[Place]:
    """Folders that are looked at one by one: of splits, with a table each, or just around all.

    Raises:
      ConfigError: some folders are named by splits, and others with pictures are not.
    """
    if not place.path.is_dir():
        return []
    below = [each for each in folders(place.root, place.path) if any(_of_sources(place, each))]
    splits = {each: split_named(each.name) for each in below}
    named = [place.name_of(each) for each in below if splits[each]]
    others = [place.name_of(each) for each in below if not splits[each]]
    if others and len({*splits.values()} - {""}) > 1:
        raise ConfigError(
            f"{place.path} has folders named by splits ({_some(named)}) and others "
            f"({_some(others)}); name all by splits, or take the others away"
        )
    # Without splits, each with a table of its own, or one folder around all, as archives have it.
    apart = not any(map(_is_of_source, place.path.iterdir()))
    if not others or (apart and (len(below) == 1 or all(map(_has_table, below)))):
        return [replace(place, path=each, split=splits[each] or place.split) for each in below]
    return []


def _of_sources(place: Place, folder: Path) -> Iterator[Path]:
    return filter(_is_of_source, walk(place.root, folder))


def _is_of_source(path: Path) -> bool:
    return is_picture(path) or path.name.lower().endswith((".parquet", *webdataset.ENDINGS))


def _has_table(folder: Path) -> bool:
    return any(each.name.casefold() in table.USUAL for each in folder.iterdir())


def _hint(place: Place) -> str:
    """What else lies there and may be meant."""
    if not place.path.is_dir():
        return ""
    names = sorted(place.name_of(each) for each in place.path.iterdir())
    if tables := [name for name in names if name.lower().endswith(ENDINGS)]:
        return f". A table of another name is named itself: {_some(tables)}"
    if archives := [name for name in names if name.lower().endswith(_ARCHIVES)]:
        return f". Unpack {_some(archives)} first"
    return ""


def _some(names: Iterable[str]) -> str:
    every = list(names)
    return ", ".join(every[:_SHOWN]) + (", …" if len(every) > _SHOWN else "")
