"""What lies in a folder or file that a user names: the first kind of source that fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from limoe_core.config import ConfigError
from limoe_core.data.importing.files import folders
from limoe_core.data.importing.kinds import beside, classes, parquet, table, webdataset
from limoe_core.data.importing.records import Place, Source, split_named

#: After tables, in this order.
_OTHERS: tuple[Callable[[Place], Source | None], ...] = (
    webdataset.recognise,
    parquet.recognise,
    beside.recognise,
    classes.recognise,
)


def place_of(
    path: str | Path, image_column: str | None = None, text_column: str | None = None
) -> Place:
    """The place that a user names.

    Raises:
      ConfigError: there is nothing.
    """
    named = Path(path).expanduser()
    if not named.exists():
        raise ConfigError(f"there is no {named.absolute()}; name a folder or a file with pictures")
    resolved = named.resolve()
    root = resolved if resolved.is_dir() else resolved.parent
    return Place(root, resolved, image_column, text_column)


def recognise(place: Place) -> list[Source]:
    """The sources at a place; one for each split where folders are named by splits.

    Raises:
      ConfigError: none is found, or it lacks what is needed.
    """
    wrong: ConfigError | None = None
    try:
        if (named := table.recognise(place)) is not None:
            return [named]
    except ConfigError as error:  # a table of another purpose may lie beside pairs
        wrong = error
    below = folders(place.root, place.path) if place.path.is_dir() else []
    if below and all(split_named(each.name) for each in below):
        parts = [replace(place, path=each, split=split_named(each.name)) for each in below]
        return [source for part in parts for source in recognise(part)]
    for kind in _OTHERS:
        if (found := kind(place)) is not None:
            return [found]
    raise wrong or ConfigError(
        f"no pairs are found in {place.path}. There may be a metadata.csv, metadata.jsonl or "
        "captions.csv with the columns file_name and text; a .txt of the same name beside each "
        "picture; a folder for each class; WebDataset tars; or Parquet files with the pictures in "
        "them"
    )
