"""Parquet files that hold the pictures themselves, as Hugging Face writes them or plainly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from limoe_core.data.importing.columns import Columns, cannot_find, picture_column
from limoe_core.data.importing.files import MAX_PICTURE, inside, read_picture, walk
from limoe_core.data.importing.records import (
    Caption,
    Found,
    Place,
    Problem,
    Record,
    split_of_file,
)
from limoe_core.data.importing.rows import Row, open_parquet, parquet_rows


@dataclass(frozen=True)
class ParquetPictures:
    """Rows with the bytes of a picture each."""

    place: Place
    files: tuple[Path, ...]

    @property
    def kind(self) -> str:
        """See `Source.kind`."""
        columns = self._columns(self.files[0])
        texts = [name for name, _ in columns.texts] or [columns.label]
        return f"Parquet with pictures in {columns.image}, with {', '.join(texts)}"

    @property
    def count(self) -> int:
        """See `Source.count`."""
        return sum(
            open_parquet(file, self.place.name_of(file)).metadata.num_rows for file in self.files
        )

    def records(self) -> Iterator[Found]:
        """See `Source.records`."""
        for file in self.files:
            where = self.place.name_of(file)
            opened = open_parquet(file, where)
            columns = self._columns(file)
            labels = _label_names(opened.schema_arrow, columns.label)
            split = split_of_file(file) or self.place.split
            wanted = {columns.image, columns.label, columns.category, columns.split}
            wanted |= {columns.language, *(name for name, _ in columns.texts)}
            read = [name for name in opened.schema_arrow.names if name in wanted]
            for row in parquet_rows(opened, where, read):
                if isinstance(row, Row):
                    picture = self._picture(row, columns.image, file)
                    yield from _record(row, picture, columns, labels, split)
                else:
                    yield row

    def _picture(self, row: Row, column: str, file: Path) -> bytes | Problem:
        """A row's picture, which may lie in a file beside where Hugging Face left it out."""
        value: Any = row.values.get(column)
        if isinstance(value, dict):
            name = value.get("path")
            value = value.get("bytes")
            if value is None and isinstance(name, str) and name:
                path = inside(self.place.root, file.parent, name, row.where)
                return read_picture(path, f"{row.where}, {self.place.name_of(path)}")
        if not isinstance(value, bytes):
            return Problem("picture", row.where, f"it has no picture in {column}")
        if len(value) > MAX_PICTURE:
            return Problem("picture", row.where, f"it is larger than {MAX_PICTURE >> 20} MiB")
        return value

    def _columns(self, file: Path) -> Columns:
        """The columns of one file.

        Raises:
          ConfigError: there are no texts or classes.
        """
        where = self.place.name_of(file)
        schema = open_parquet(file, where).schema_arrow
        image = self.place.image_column or picture_column(schema)
        found = Columns.of(schema.names, image, self.place.text_column, where=where)
        if not found.image:
            raise cannot_find("pictures", schema.names, "image-column", where)
        # A name of a file is no caption.
        found = replace(found, texts=tuple(t for t in found.texts if t[0] != found.image))
        if not found.has_texts:
            raise cannot_find("texts or classes", schema.names, "text-column", where)
        return found


def recognise(place: Place) -> ParquetPictures | None:
    """One or more Parquet files, the first of which has a column of bytes."""
    if place.path.is_file():
        files = [place.path] if place.path.suffix.lower() == ".parquet" else []
    else:
        below = walk(place.root, place.path)
        files = [file for file in below if file.suffix.lower() == ".parquet"]
    if not files:
        return None
    schema = open_parquet(files[0], place.name_of(files[0])).schema_arrow
    if not (place.image_column or picture_column(schema)):
        return None
    return ParquetPictures(place, tuple(files))


def _record(
    row: Row, picture: bytes | Problem, columns: Columns, labels: list[str], split: str
) -> Iterator[Found]:
    if isinstance(picture, Problem):
        yield picture
        return
    said = list(columns.captions(row.values, row.where))
    yield from (each for each in said if isinstance(each, Problem))
    label = columns.value(row.values, columns.label)
    if len(label) < 10 and label.isdecimal() and int(label) < len(labels):
        label = labels[int(label)]
    yield Record(
        row.where,
        picture,
        tuple(each for each in said if isinstance(each, Caption)),
        label="" if labels and label == "-1" else label,
        category=columns.value(row.values, columns.category),
        split=columns.split_of(row.values, row.where) or split,
    )


def _label_names(schema: pa.Schema, column: str) -> list[str]:
    """Names of classes that Hugging Face writes into the file; none where there are none."""
    try:
        about = json.loads((schema.metadata or {})[b"huggingface"])
        names = about["info"]["features"][column]["names"]
    except (KeyError, ValueError, TypeError, RecursionError):
        return []
    return [str(name) for name in names] if isinstance(names, list) else []
