"""Rows of CSV, JSON lines and Parquet files, one after another, with the line of each."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from limoe_core.config import ConfigError
from limoe_core.data.importing.files import check_encoding
from limoe_core.data.importing.records import Problem

ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet", ".txt")
#: Most characters of a field or a line.
_LONGEST = 4 << 20
_AT_ONCE = 256


@dataclass(frozen=True)
class Row:
    """Values of a table's row by column."""

    where: str
    values: Mapping[str, Any]
    """Texts of a CSV file have lone surrogates in the place of bytes that are not UTF-8."""


def column_names(file: Path, where: str) -> list[str]:
    """The columns of a table; of JSON lines, those of the first.

    Raises:
      ConfigError: it cannot be read.
    """
    if file.suffix.lower() == ".parquet":
        return open_parquet(file, where).schema_arrow.names
    for row in read_rows(file, where):
        if isinstance(row, Row):
            return list(row.values)
    raise ConfigError(f"{where} has no rows")


def read_rows(file: Path, where: str) -> Iterator[Row | Problem]:
    """The rows of a table.

    Raises:
      ConfigError: it cannot be read, or is in another encoding than UTF-8.
    """
    match file.suffix.lower():
        case ".parquet":
            yield from _parquet(open_parquet(file, where), where, None)
        case ".jsonl":
            yield from _json_lines(file, where)
        case _:
            yield from _csv(file, where)


def open_parquet(file: Path, where: str) -> pq.ParquetFile:
    """A Parquet file.

    Raises:
      ConfigError: it cannot be read.
    """
    try:
        return pq.ParquetFile(file)
    except (OSError, pa.ArrowException) as error:
        raise ConfigError(f"{where} cannot be read as Parquet: {_first_line(error)}") from error


def picture_column(schema: pa.Schema) -> str:
    """The first column of bytes, or of a struct with bytes as Hugging Face has it; "" for none."""
    for field in schema:
        kind = field.type
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            return field.name
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            return field.name
    return ""


def parquet_rows(opened: pq.ParquetFile, where: str, columns: list[str]) -> Iterator[Row | Problem]:
    """Some columns of a Parquet file, a few rows at a time."""
    return _parquet(opened, where, columns)


def _parquet(
    opened: pq.ParquetFile, where: str, columns: list[str] | None
) -> Iterator[Row | Problem]:
    number = 0
    try:
        for batch in opened.iter_batches(_AT_ONCE if columns is None else 16, columns=columns):
            for values in _as_bytes(batch).to_pylist():
                number += 1
                yield Row(f"{where}, row {number}", values)
    except (OSError, pa.ArrowException) as error:
        yield Problem(
            "picture", where, f"it cannot be read after row {number}: {_first_line(error)}"
        )


def _as_bytes(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Texts as bytes, as they may be no UTF-8, which Arrow would raise an error for."""
    arrays = [_undecoded(array) for array in batch.columns]
    return pa.RecordBatch.from_arrays(arrays, batch.schema.names)


def _undecoded(array: pa.Array) -> pa.Array:
    kind = array.type
    if pa.types.is_dictionary(kind):
        return _undecoded(array.dictionary_decode())
    if pa.types.is_string(kind):
        return array.view(pa.binary())
    if pa.types.is_large_string(kind):
        return array.view(pa.large_binary())
    return array


def _json_lines(file: Path, where: str) -> Iterator[Row | Problem]:
    with _opened(file, where) as opened:
        for number, line in enumerate(iter(lambda: opened.readline(_LONGEST), b""), 1):
            place = f"{where}, line {number}"
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip():
                continue
            try:
                values = json.loads(line.decode())
            except UnicodeDecodeError as error:
                yield Problem("text", place, f"it is not UTF-8 ({error.reason})")
            except (ValueError, RecursionError):
                yield Problem("text", place, "it is not JSON")
            else:
                if isinstance(values, dict):
                    yield Row(place, values)
                else:
                    yield Problem("text", place, "it is not a JSON object with a value a column")


def _csv(file: Path, where: str) -> Iterator[Row | Problem]:
    with _opened(file, where) as raw:
        text = io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="")
        header = text.readline(_LONGEST)
        text.seek(0)
        delimiter = max("\t,;", key=header.count)
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        names: list[str] | None = None
        while True:
            line = reader.line_num + 1
            place = f"{where}, line {line}"
            try:
                fields = next(reader, None)
            except csv.Error as error:
                yield Problem("text", place, f"it cannot be read as CSV: {error}")
                continue
            if fields is None:
                return
            if names is None:
                names = fields
            elif len(fields) > len(names):
                yield Problem(
                    "text",
                    place,
                    f"it has {len(fields)} fields for {len(names)} columns; put "
                    "texts with commas into quotation marks",
                )
            elif any(fields):
                yield Row(place, dict(zip(names, fields, strict=False)))


def _opened(file: Path, where: str) -> io.BufferedReader:
    try:
        opened = file.open("rb")
    except OSError as error:
        raise ConfigError(f"{where} cannot be read: {error.strerror}") from error
    check_encoding(opened.peek(2), where)
    return opened


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
