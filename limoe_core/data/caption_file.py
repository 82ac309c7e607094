"""Captions of pictures in an Arrow file, which is mapped into memory and read where it is asked.

A row is a picture. Its captions are a list: the one that names it in the first language, further
ones in that language, then one in each other language that it has. A picture without a caption in
some language is named by the first of its list.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int32, Int64, Integer

from limoe_core.data.pairs import ConceptTable, new_digest
from limoe_core.data.texts import AT_ONCE, Lists, TextArray, Texts, chosen, empty
from limoe_core.files import replacing

_ABOUT = b"limoe"
#: The texts of so many pictures are held in memory.
IN_MEMORY = 20_000


@dataclass(frozen=True)
class _Rows:
    """Some rows of the file, as they are mapped."""

    start: Int64[np.ndarray, " offsets"]
    """Where each picture's captions begin in `texts`."""
    texts: pa.LargeStringArray
    further: Int32[np.ndarray, " n"]
    """Captions in the first language after the first."""
    place: Mapping[str, Int32[np.ndarray, " n"]]
    """By language: which of its captions names a picture."""

    def are_whole(self) -> bool:
        """Whether every number is of a caption that its picture has."""
        count = np.diff(self.start)
        numbers = (self.further, *self.place.values())
        there = all(np.all((number >= 0) & (number < count)) for number in numbers)
        return there and self.texts.null_count == 0


class CaptionFile:
    """The captions of n pictures.

    Args:
      source: the file, or its content.

    Raises:
      ValueError: it is no such file, or a damaged one.
      OSError: it cannot be read.
    """

    def __init__(self, source: Path | pa.Buffer) -> None:
        self._source = source
        mapped = pa.memory_map(str(source)) if isinstance(source, Path) else source
        self._reader = pa.ipc.open_file(mapped)  # pa.ArrowInvalid is a ValueError
        about = (self._reader.schema.metadata or {}).get(_ABOUT)
        if about is None:
            raise ValueError("it holds no captions")
        found = json.loads(about)
        try:
            languages = [str(language) for language in found["languages"]]
            self.of: Any = found["of"]
            """What the captions are of, as whoever wrote them said."""
        except (KeyError, TypeError) as error:
            raise ValueError("it does not say what its captions are") from error
        self.languages: tuple[str, ...] = tuple(languages)
        if not languages or self._reader.schema != caption_schema(languages):
            raise ValueError("its columns are not those of captions")
        count = self._reader.num_record_batches
        last = self._reader.get_batch(count - 1).num_rows if count else 0
        self._count = AT_ONCE * max(0, count - 1) + last
        self._rows = functools.lru_cache(maxsize=None)(self._read_rows)

    def __reduce__(self) -> tuple[Any, ...]:
        return CaptionFile, (self._source,)

    def __len__(self) -> int:
        return self._count

    def checked(self) -> Self:
        """The same, all rows of which can be read: numbers of a damaged file would lead anywhere.

        Raises:
          ValueError: it is damaged.
        """
        _ = self.digest
        return self

    def names(self, language: str) -> Texts:
        """The caption that names each picture in a language."""
        return _Names(self, language)

    def aliases(self) -> Lists:
        """The further captions in the first language of each picture."""
        return _Aliases(self)

    @functools.cached_property
    def digest(self) -> str:
        """Stands for all captions.

        Read anew and not from what is mapped, so that it does not stay in memory.

        Raises:
          ValueError: the file is damaged; see `checked`.
        """
        found = new_digest()
        source = self._source
        with (
            pa.OSFile(str(source)) if isinstance(source, Path) else pa.BufferReader(source) as file
        ):
            reader = pa.ipc.open_file(file)
            for number in range(reader.num_record_batches):
                batch = reader.get_batch(number)
                batch.validate(full=True)  # pa.ArrowInvalid is a ValueError
                if batch.num_rows != min(AT_ONCE, len(self) - number * AT_ONCE):
                    raise ValueError("its rows are not all there")
                rows = self._rows_of(batch)
                if not rows.are_whole():
                    raise ValueError("its numbers are not those of captions")
                for numbers in (rows.start, rows.further, *rows.place.values()):
                    found.update(numbers.astype("<i8").tobytes())
                found.update(pc.binary_length(rows.texts).to_numpy().astype("<i8").tobytes())
                first, last = rows.texts.offset, rows.texts.offset + len(rows.texts)
                _, offsets, text = rows.texts.buffers()
                ends = np.frombuffer(offsets, np.int64)[[first, last]].tolist()
                found.update(memoryview(text)[slice(*ends)])
        return found.hexdigest()

    def in_blocks(self, places: Integer[np.ndarray, " m"]) -> Iterator[tuple[np.ndarray, _Rows]]:
        """Rows of the file that hold these pictures, and which of `places` are among them."""
        block = places // AT_ONCE
        for number in np.unique(block).tolist():
            yield np.flatnonzero(block == number), self._rows(number)

    def _read_rows(self, number: int) -> _Rows:
        return self._rows_of(self._reader.get_batch(number))

    def _rows_of(self, batch: pa.RecordBatch) -> _Rows:
        captions = batch.column("captions")
        further = batch.column("further").to_numpy()
        first, *others = self.languages
        place = {first: np.broadcast_to(np.int32(0), further.shape)}
        place |= {language: batch.column(f"place {language}").to_numpy() for language in others}
        return _Rows(captions.offsets.to_numpy(), captions.values, further, place)


class _ChosenAliases(Lists):
    def __init__(self, aliases: Lists, rows: Integer[np.ndarray, " n"]) -> None:
        self._aliases, self._rows = aliases, rows

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, places: Integer[np.ndarray, " m"]) -> list[tuple[str, ...]]:
        """See `Lists.read`."""
        return self._aliases.read(self._rows[places])


class _Names(Texts):
    def __init__(self, file: CaptionFile, language: str) -> None:
        self._file, self._language = file, language

    def __len__(self) -> int:
        return len(self._file)

    def read(self, places: Integer[np.ndarray, " m"]) -> list[str]:
        """See `Texts.read`."""
        found = [""] * len(places)
        for own, rows in self._file.in_blocks(places):
            row = places[own] % AT_ONCE
            texts = rows.texts.take(pa.array(rows.start[row] + rows.place[self._language][row]))
            for place, text in zip(own.tolist(), texts.to_pylist(), strict=True):
                found[place] = text
        return found


class _Aliases(Lists):
    def __init__(self, file: CaptionFile) -> None:
        self._file = file

    def __len__(self) -> int:
        return len(self._file)

    def read(self, places: Integer[np.ndarray, " m"]) -> list[tuple[str, ...]]:
        """See `Lists.read`."""
        found: list[tuple[str, ...]] = [()] * len(places)
        for own, rows in self._file.in_blocks(places):
            row = places[own] % AT_ONCE
            some = rows.further[row] > 0
            first, count = rows.start[row[some]] + 1, rows.further[row[some]]
            for place, at, more in zip(
                own[some].tolist(), first.tolist(), count.tolist(), strict=True
            ):
                found[place] = tuple(rows.texts[at : at + more].to_pylist())
        return found


def caption_schema(languages: Sequence[str], of: Any = None) -> pa.Schema:
    """Of a file of captions.

    Args:
      languages: the first one first.
      of: JSON data that says what the captions are of; see `CaptionFile.of`.
    """
    return pa.schema(
        [
            ("captions", pa.large_list(pa.large_string())),
            ("further", pa.int32()),
            *((f"place {language}", pa.int32()) for language in languages[1:]),
        ],
        metadata={_ABOUT: json.dumps({"languages": list(languages), "of": of})},
    )


def write_captions(path: Path, form: pa.Schema, rows: Iterable[pa.RecordBatch]) -> None:
    """Writes a file of captions, whole or not at all.

    Args:
      form: its `caption_schema`.
      rows: `AT_ONCE` pictures each, but for the last.
    """
    with replacing(path) as temporary, pa.OSFile(str(temporary), "wb") as file:
        with pa.ipc.new_file(file, form) as writer:
            for batch in rows:
                writer.write_batch(batch)


def caption_table(
    file: CaptionFile,
    rows: Integer[np.ndarray, " n"],
    keys: Texts,
    category: TextArray | None = None,
) -> ConceptTable:
    """The concepts of pictures that are a concept each; those of few pictures are in memory.

    Args:
      rows: of the file, in rising order.
      keys: of the pictures, as `ConceptTable.keys`.
      category: of the pictures; none by default.
    """
    aliases: Lists = file.aliases()
    names: dict[str, TextArray] = {name: file.names(name) for name in file.languages}
    if len(rows) != len(file):
        aliases = _ChosenAliases(aliases, rows)
        names = {language: chosen(texts, rows) for language, texts in names.items()}
    table = ConceptTable(keys, names, aliases, empty(len(rows)) if category is None else category)
    if len(rows) <= IN_MEMORY:
        return table.some(np.arange(len(rows)))
    digest = new_digest()
    digest.update(file.digest.encode())
    if len(rows) != len(file):
        digest.update(rows.astype("<i8").tobytes())
    return replace(table, digest=digest.hexdigest())
