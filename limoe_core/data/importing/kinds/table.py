"""Pictures named by a table: `metadata.csv`, `captions.csv`, `metadata.jsonl` and their like."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from limoe_core.data.importing.columns import Columns, cannot_find, picture_column
from limoe_core.data.importing.files import folders, inside, read_picture
from limoe_core.data.importing.records import (
    Caption,
    Found,
    Place,
    Problem,
    Record,
    split_named,
    split_of_name,
)
from limoe_core.data.importing.rows import (
    ENDINGS,
    Row,
    column_names,
    open_parquet,
    read_rows,
)

#: Names of tables, in the order in which they are looked for.
USUAL = tuple(
    stem + ending
    for stem in ("metadata", "captions", "labels", "annotations")
    for ending in ENDINGS
)
_AT_ONCE = 8192
#: Rows whose files are looked for, to know the folder of the pictures.
_FIRST = 20
#: What rows of one picture may say only once.
_ONCE = ("label", "category", "split")
_SCHEMA = pa.schema(
    {
        "file": pa.string(),
        "where": pa.string(),
        "texts": pa.list_(pa.string()),
        "languages": pa.list_(pa.string()),
        "label": pa.string(),
        "category": pa.string(),
        "split": pa.string(),
        "folder_split": pa.string(),
    }
)


@dataclass(frozen=True)
class Table:
    """Rows that name a picture each; several rows of one picture are several captions of it."""

    place: Place
    file: Path
    columns: Columns
    folder: Path
    """That names of pictures start from."""
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
        says_none = not (self.columns.split or self.place.split)
        if says_none and pc.all(pc.not_equal(rows.column("folder_split"), "")).as_py():
            rows = rows.drop_columns("split").rename_columns({"folder_split": "split"})
        for _, group in groupby(_in_order(rows), itemgetter("file")):
            yield from self._record(list(group))

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
        name = _name_of_picture(row, columns)
        if not name:
            problems.append(Problem("picture", where, f"it names no file in {columns.image}"))
            return None
        try:
            name.encode()
        except UnicodeEncodeError:
            problems.append(Problem("text", where, "it is not UTF-8"))
            return None
        if "://" in name:
            why = f"{name[:200]!r} is no file; download the pictures and name their files"
            problems.append(Problem("picture", where, why))
            return None
        path = inside(self.place.root, self.folder, name, where)
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
            "folder_split": self._split_by_folder(path),
        }

    def _split_by_folder(self, path: Path) -> str:
        """The split that one of the folders of a picture is named by, in this table's folder."""
        below = path.relative_to(self.place.root).parts[:-1]
        return next(filter(None, map(split_named, below)), "")

    def _record(self, rows: list[dict[str, Any]]) -> Iterator[Found]:
        first, path = rows[0], Path(rows[0]["file"])
        for row in rows[1:]:
            for column in _ONCE:
                first[column] = first[column] or row[column]
                if row[column] not in ("", first[column]):
                    why = (
                        f"its {column} is {row[column][:50]!r}, which is left out, as the rows "
                        f"before say {first[column][:50]!r} of the same picture"
                    )
                    yield Problem("text", row["where"], why)
        picture = read_picture(path, f"{first['where']}, {self.place.name_of(path)}")
        if isinstance(picture, Problem):
            yield picture
            return
        said = [pair for row in rows for pair in zip(row["texts"], row["languages"], strict=True)]
        yield Record(
            self.place.name_of(path),
            picture,
            tuple(Caption(text, language) for text, language in said),
            label=first["label"],
            category=first["category"],
            split=first["split"],
        )


def _in_order(rows: pa.Table) -> Iterator[dict[str, Any]]:
    """Rows by their files, those of one picture in their order."""
    order = pc.sort_indices(rows.column("file"))  # which is stable
    rows = rows.combine_chunks()  # or each `take` would do so
    for start in range(0, len(order), _AT_ONCE):
        yield from rows.take(order.slice(start, _AT_ONCE)).to_pylist()


def recognise(place: Place) -> list[Table]:
    """A table of a usual name, or one that is named itself; else one for each split, `train.csv`.

    Raises:
      ConfigError: it lacks a column, or cannot be read.
    """
    if place.path.is_file():
        return _tables(place, [place.path])
    files = sorted(place.path.iterdir())
    by_name = {file.name.casefold(): file for file in files}
    usual = [by_name[name] for name in USUAL if name in by_name]
    if usual:
        return _tables(place, usual)[:1]
    found = []
    for file in files:
        # A train.txt is more often a list of names than a table.
        is_table = file.suffix.lower() in ENDINGS and file.suffix.lower() != ".txt"
        if is_table and (split := split_of_name(file)):
            found += _tables(replace(place, split=split), [file])
    return found


def _tables(place: Place, files: Iterable[Path]) -> list[Table]:
    found = []
    for file in files:
        where = place.name_of(file)
        if file.suffix.lower() not in ENDINGS or _holds_pictures(file, where):
            continue
        names = column_names(file, where)
        columns = Columns.of(names, place.image_column, place.text_column, where=where)
        if not columns.image:
            raise cannot_find("file names", names, "image-column", where)
        if not columns.has_texts:
            raise cannot_find("texts or classes", names, "text-column", where)
        found.append(Table(place, file, columns, _folder_of_pictures(place, file, columns)))
    return found


def _folder_of_pictures(place: Place, file: Path, columns: Columns) -> Path:
    """The table's folder, or the one in it where pictures of these names are, as `Images/`."""
    rows = (row for row in read_rows(file, "") if isinstance(row, Row))
    names = [_name_of_picture(row, columns) for row in islice(rows, _FIRST)]

    def has_some(folder: Path) -> bool:
        return any(name and os.path.exists(os.path.normpath(folder / name)) for name in names)

    if has_some(file.parent):
        return file.parent
    below = [folder for folder in folders(place.root, file.parent) if has_some(folder)]
    return below[0] if len(below) == 1 else file.parent


def _name_of_picture(row: Row, columns: Columns) -> str:
    """The file that a row names; "" for none."""
    name = row.values.get(columns.image)
    if isinstance(name, Mapping):  # as Hugging Face writes a picture that lies elsewhere
        name = name.get("path")
    return name if isinstance(name, str) and name.strip() and "\0" not in name else ""


def _holds_pictures(file: Path, where: str) -> bool:
    """Whether these are Parquet's pictures themselves, and not their names."""
    if file.suffix.lower() != ".parquet":
        return False
    return bool(picture_column(open_parquet(file, where).schema_arrow))
