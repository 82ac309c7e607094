"""Pictures named by a table: `metadata.csv`, `captions.csv`, `metadata.jsonl` and their like."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from limoe_core.data.importing.columns import Columns, cannot_find
from limoe_core.data.importing.files import inside, read_picture
from limoe_core.data.importing.records import Caption, Found, Place, Problem, Record
from limoe_core.data.importing.rows import (
    ENDINGS,
    Row,
    column_names,
    open_parquet,
    picture_column,
    read_rows,
)

_STEMS = ("metadata", "captions", "labels", "annotations")
_AT_ONCE = 8192
_SCHEMA = pa.schema(
    {
        "file": pa.string(),
        "where": pa.string(),
        "texts": pa.list_(pa.string()),
        "languages": pa.list_(pa.string()),
        "label": pa.string(),
        "category": pa.string(),
        "split": pa.string(),
    }
)


@dataclass(frozen=True)
class Table:
    """Rows that name a picture each; several rows of one picture are several captions of it."""

    place: Place
    file: Path
    columns: Columns
    count = None

    @property
    def kind(self) -> str:
        """See `Source.kind`."""
        said = self.columns
        texts = [name for name, _ in said.texts] or [said.label]
        return f"pictures named by {self.file.name} in {said.image}, with {', '.join(texts)}"

    def records(self) -> Iterator[Found]:
        """See `Source.records`.

        Raises:
          ConfigError: a row names a file that does not lie in the folder.
        """
        # As Arrow, so that the texts of a large table take as much memory as they are long.
        problems: list[Problem] = []
        batches = list(self._batches(problems))
        yield from problems
        rows = pa.Table.from_batches(batches, _SCHEMA)
        files = rows.column("file").to_numpy()
        order = np.argsort(files, kind="stable")  # rows of one picture in their order
        starts = np.flatnonzero(np.r_[True, files[order][1:] != files[order][:-1]])
        for first, last in zip(starts, np.r_[starts[1:], len(order)], strict=True):
            if first < last:
                yield self._record(rows.take(order[first:last]).to_pylist())

    def _batches(self, problems: list[Problem]) -> Iterator[pa.RecordBatch]:
        gathered: list[dict[str, Any]] = []
        for row in read_rows(self.file, self.place.name_of(self.file)):
            if isinstance(row, Problem):
                problems.append(row)
            elif (found := self._row(row, problems)) is not None:
                gathered.append(found)
            if len(gathered) == _AT_ONCE:
                yield pa.RecordBatch.from_pylist(gathered, _SCHEMA)
                gathered = []
        yield pa.RecordBatch.from_pylist(gathered, _SCHEMA)

    def _row(self, row: Row, problems: list[Problem]) -> dict[str, Any] | None:
        columns, values, where = self.columns, row.values, row.where
        name = values.get(columns.image)
        if isinstance(name, dict):  # as Hugging Face writes a picture that lies elsewhere
            name = name.get("path")
        if not isinstance(name, str) or not name.strip():
            problems.append(Problem("picture", where, f"it names no file in {columns.image}"))
            return None
        try:
            name.encode()
        except UnicodeEncodeError:
            problems.append(Problem("text", where, "it is not UTF-8"))
            return None
        path = inside(self.place.root, self.file.parent, name.strip(), where)
        found = list(columns.captions(values, where))
        problems += [each for each in found if isinstance(each, Problem)]
        captions = [each for each in found if isinstance(each, Caption)]
        return {
            "file": str(path),
            "where": where,
            "texts": [caption.text for caption in captions],
            "languages": [caption.language for caption in captions],
            "label": columns.value(values, columns.label),
            "category": columns.value(values, columns.category),
            "split": columns.split_of(values, where) or self.place.split,
        }

    def _record(self, rows: list[dict[str, Any]]) -> Found:
        first, path = rows[0], Path(rows[0]["file"])
        picture = read_picture(path, f"{first['where']}, {self.place.name_of(path)}")
        if isinstance(picture, Problem):
            return picture
        said = [pair for row in rows for pair in zip(row["texts"], row["languages"], strict=True)]
        return Record(
            self.place.name_of(path),
            picture,
            tuple(Caption(text, language) for text, language in said),
            label=first["label"],
            category=first["category"],
            split=first["split"],
        )


def recognise(place: Place) -> Table | None:
    """A table of a usual name, or one that is named itself.

    Raises:
      ConfigError: it lacks a column, or cannot be read.
    """
    for file in [place.path] if place.path.is_file() else _usual(place.path):
        where = place.name_of(file)
        if file.suffix.lower() not in ENDINGS or _holds_pictures(file, where):
            continue
        names = column_names(file, where)
        columns = Columns.of(names, place.image_column, place.text_column, where=where)
        if not columns.image:
            raise cannot_find("file names", names, "image-column", where)
        if not columns.has_texts:
            raise cannot_find("texts or classes", names, "text-column", where)
        return Table(place, file, columns)
    return None


def _holds_pictures(file: Path, where: str) -> bool:
    """Whether these are Parquet's pictures themselves, and not their names."""
    if file.suffix.lower() != ".parquet":
        return False
    return bool(picture_column(open_parquet(file, where).schema_arrow))


def _usual(folder: Path) -> list[Path]:
    by_name = {each.name.casefold(): each for each in sorted(folder.iterdir())}
    names = [stem + ending for stem in _STEMS for ending in ENDINGS]
    return [by_name[name] for name in names if name in by_name]
