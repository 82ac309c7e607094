"""Rows of CSV, JSON lines and Parquet files, one after another, with the line of each."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
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
#: Rows whose columns are looked at.
_FIRST = 1000


@dataclass(frozen=True)
class Row:
    """Values of a table's row by column."""

    where: str
    values: Mapping[str, Any]
    """Texts of a CSV file have lone surrogates in the place of bytes that are not UTF-8."""


def column_names(file: Path, where: str) -> list[str]:
    """The columns of a table; of JSON lines, those of the first 1,000.

    Raises:
      ConfigError: it cannot be read, or has no rows.
    """
    if file.suffix.lower() == ".parquet":
        return open_parquet(file, where).schema_arrow.names
    rows = list(islice(read_rows(file, where), _FIRST))
    if names := dict.fromkeys(name for row in rows if isinstance(row, Row) for name in row.values):
        return list(names)
    wrong = next((f"{row.where}: {row.why}" for row in rows if isinstance(row, Problem)), "")
    raise ConfigError(wrong or f"{where} has no rows")


def read_rows(file: Path, where: str) -> Iterator[Row | Problem]:
    """The rows of a table.

    Raises:
      ConfigError: it cannot be read, or is in another encoding than UTF-8.
    """
    match file.suffix.lower():
        case ".parquet":
            yield from _parquet(open_parquet(file, where), where, None, _AT_ONCE)
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


def parquet_rows(opened: pq.ParquetFile, where: str, columns: list[str]) -> Iterator[Row | Problem]:
    """Some columns of a Parquet file, one row at a time: each may have a picture of 64 MiB."""
    return _parquet(opened, where, columns, 1)


def _parquet(
    opened: pq.ParquetFile, where: str, columns: list[str] | None, at_once: int
) -> Iterator[Row | Problem]:
    number = 0
    try:
        for batch in opened.iter_batches(at_once, columns=columns):
            for values in _values(batch):
                number += 1
                place = f"{where}, row {number}"
                yield Row(place, values) if values else Problem("text", place, "it is not UTF-8")
    except (OSError, pa.ArrowException) as error:
        yield Problem(
            "picture", where, f"it cannot be read after row {number}: {_first_line(error)}"
        )


def _values(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | None]:
    """Rows; None for those with a text that is not UTF-8, for which Arrow raises an error."""
    try:
        yield from batch.to_pylist()
    except UnicodeDecodeError:
        for number in range(len(batch)):
            try:
                yield from batch.slice(number, 1).to_pylist()
            except UnicodeDecodeError:
                yield None


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
                yield Problem("text", place, "it is not JSON; each line is an object of its own")
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
        delimiter = max("\t,;|", key=header.count)
        records = _plain_records if delimiter in "\t|" else _quoted_records
        names: list[str] | None = None
        for first, last, fields in records(text, delimiter):
            place = (
                f"{where}, line {first}" if first == last else f"{where}, lines {first} to {last}"
            )
            if names is None:
                names = _header(fields, place)
            elif isinstance(fields, csv.Error):
                yield Problem("text", place, f"it cannot be read as CSV: {fields}")
            elif len(fields) > len(names):
                yield Problem(
                    "text",
                    place,
                    f"it has {len(fields)} fields for {len(names)} columns; put "
                    "texts with commas into quotation marks",
                )
            elif any(fields):
                yield Row(f"{where}, line {first}", dict(zip(names, fields, strict=False)))


def _header(fields: list[str] | csv.Error, where: str) -> list[str]:
    """The names of the columns.

    Raises:
      ConfigError: they cannot be read, or two are equal.
    """
    if isinstance(fields, csv.Error):
        raise ConfigError(f"{where}, with the names of the columns, is not CSV: {fields}")
    names = [name.strip() for name in fields]
    if twice := [name for name, count in Counter(names).items() if name and count > 1]:
        raise ConfigError(f"{where} names two columns {twice[0][:50]!r}; call one otherwise")
    return names


#: First and last line of a record, and its fields or why there are none.
_Fields = tuple[int, int, list[str] | csv.Error]


def _quoted_records(text: Iterable[str], delimiter: str) -> Iterator[_Fields]:
    """Records of CSV."""
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    while True:
        first = reader.line_num + 1
        try:
            fields: list[str] | csv.Error | None = next(reader, None)
        except csv.Error as error:
            fields = error
        if fields is None:
            return
        yield first, reader.line_num, fields


def _plain_records(text: Iterable[str], delimiter: str) -> Iterator[_Fields]:
    """Records of a file in which quotation marks may be no more than that, as where tabs part.

    A field in marks may go over several lines as in CSV, but these hold no delimiter before the
    mark that closes it. Where marks do not fit so, they are part of the text.
    """
    rest, ahead, number = iter(text), deque[str](), 0

    def following() -> str:
        return ahead.popleft() if ahead else next(rest, "")

    while line := following():
        lines, is_open = [line], line.count('"') % 2
        while is_open and (line := following()):
            if delimiter in line.partition('"')[0]:
                ahead.appendleft(line)
                break
            lines.append(line)
            is_open ^= line.count('"') % 2
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            fields, used = next(reader), reader.line_num
        except csv.Error:
            fields, used = lines[0].rstrip("\r\n").split(delimiter), 1
        ahead.extendleft(reversed(lines[used:]))
        yield number + 1, number + used, fields
        number += used


def _opened(file: Path, where: str) -> io.BufferedReader:
    try:
        if file.exists() and not file.is_file():  # a pipe would be waited for without end
            raise ConfigError(f"{where} cannot be read: it is not a regular file")
        opened = file.open("rb")
    except OSError as error:
        raise ConfigError(f"{where} cannot be read: {error.strerror}") from error
    check_encoding(opened.peek(4), where)
    return opened


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
