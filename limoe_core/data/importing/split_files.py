"""Files of an imported split: what is known of its pictures, and their captions, row by row.

Both are Arrow files that are mapped into memory, so of a large split only a few numbers a picture
are held there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int32, Int64, Integer, UInt64

from limoe_core.config import ConfigError
from limoe_core.data.caption_file import CaptionFile, caption_schema, write_captions
from limoe_core.data.importing.records import DEFAULT_LANGUAGE
from limoe_core.data.negatives import copy_groups
from limoe_core.data.pairs import new_digest
from limoe_core.data.texts import AT_ONCE, Made, Texts

_CATEGORIES = b"categories"


def pictures_file(folder: Path, split: str) -> Path:
    """File of what is known of a split's pictures."""
    return folder / f"{split}.pictures.arrow"


def captions_file(folder: Path, split: str) -> Path:
    """File of a split's captions."""
    return folder / f"{split}.captions.arrow"


class PictureFile:
    """What is known of the pictures of a split, in their order.

    Raises:
      ConfigError: the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with _explained(path):
            self._table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
            self.records: Int64[np.ndarray, " n"] = self._table["record"].to_numpy()
            """Number of each picture's record."""
            self.label: Int32[np.ndarray, " n"] = self._table["label"].to_numpy()
            """Its class; -1 for none."""
            self._category: Int32[np.ndarray, " n"] = self._table["category"].to_numpy()
            self._categories = json.loads(self._table.schema.metadata[_CATEGORIES])
            _check_range(self._category, -1, len(self._categories))

    def check(self, records: int, classes: int | None) -> None:
        """Checks that its numbers are of what is there.

        Args:
          records: how many there are.
          classes: how many there are; None where pictures have captions instead.

        Raises:
          ConfigError: the file is damaged.
        """
        with _explained(self._path):
            _check_range(self.records, 0, records)
            if classes is not None:
                _check_range(self.label, 0, classes)

    def __reduce__(self) -> tuple[type[PictureFile], tuple[Path]]:
        return PictureFile, (self._path,)

    def __len__(self) -> int:
        return len(self.records)

    @property
    def keys(self) -> Texts:
        """The digest of each picture in hexadecimal digits."""
        return Made(len(self), self._keys)

    @property
    def categories(self) -> Texts | None:
        """The category of each picture, "" for none; None if none has one."""
        return Made(len(self), self._named) if self._categories else None

    @property
    def content(self) -> str:
        """Digest of the pictures in their order, which goes by their content alone."""
        found = new_digest()
        for piece in self._contents():
            found.update(piece.tobytes())
        return found.hexdigest()

    @property
    def copies(self) -> Int32[np.ndarray, " n"] | None:
        """See `PairSet.copy`; of pictures with captions, none is there twice."""
        return copy_groups(np.concatenate([piece[:, 0] for piece in self._contents()]))

    def _contents(self) -> Iterator[UInt64[np.ndarray, "m 2"]]:
        """The digests of all pictures, in pieces."""
        for chunk in self._table["content"].chunks:
            numbers = np.frombuffer(chunk.buffers()[1], "<u8").reshape(-1, 2)
            yield numbers[chunk.offset : chunk.offset + len(chunk)]

    def _keys(self, places: Integer[np.ndarray, " m"]) -> list[str]:
        found = [""] * len(places)
        block = places // AT_ONCE
        for number in np.unique(block).tolist():
            own = np.flatnonzero(block == number)
            chunk = self._table["content"].chunk(number)
            content = chunk.take(pa.array(places[own] % AT_ONCE)).to_pylist()
            for place, each in zip(own.tolist(), content, strict=True):
                found[place] = each.hex()
        return found

    def _named(self, places: Integer[np.ndarray, " m"]) -> list[str]:
        names = [*self._categories, ""]
        return [names[number] for number in self._category[places].tolist()]


def write_pictures(path: Path, pictures: pa.Table, categories: Sequence[str]) -> None:
    """Writes what is known of the pictures of a split.

    Args:
      pictures: `record` int64, `content` binary (16), `file` large_string, `label` and `category`
        int32, -1 for none.
      categories: names of the categories.
    """
    pictures = pictures.combine_chunks()  # or its chunks would bound those of the file
    pictures = pictures.replace_schema_metadata({_CATEGORIES: json.dumps(list(categories))})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, pictures.schema) as writer:
        writer.write_table(pictures, max_chunksize=AT_ONCE)


def read_captions(path: Path, pictures: int) -> CaptionFile:
    """The captions of a split.

    Args:
      pictures: how many there are in it.

    Raises:
      ConfigError: the file is damaged.
    """
    with _explained(path):
        found = CaptionFile(path).checked()
        if len(found) != pictures:
            raise ValueError(f"it is of {len(found)} pictures and not of {pictures}")
        return found


def _check_range(numbers: Integer[np.ndarray, " n"], first: int, end: int) -> None:
    if len(numbers) and not first <= numbers.min() <= numbers.max() < end:
        raise ValueError(f"a number from {numbers.min()} to {numbers.max()} is of nothing")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Says what to do about a file that is damaged."""
    try:
        yield
    except (OSError, ValueError, LookupError, TypeError, MemoryError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(
            f"{path} is damaged ({why[:200]}); remove its folder, and the pairs are imported anew"
        ) from error


def write_captions_of(
    path: Path,
    count: int,
    picture: Int64[np.ndarray, " m"],
    language: Int32[np.ndarray, " m"],
    languages: Sequence[str],
    texts: pa.LargeStringArray,
) -> None:
    """Writes the captions of a split.

    Kept are the first of a picture in each language, and all different ones in the first language.

    Args:
      count: number of pictures; each has a caption.
      picture: of each caption, in rising order.
      language: index into `languages`.
      languages: as `in_order` gives them.
    """
    row = np.lexsort((language, picture))
    picture, language = picture[row], language[row]
    kept = _kept(picture, language, row, texts)
    row, picture, language = row[kept], picture[kept], language[kept]
    start = np.searchsorted(picture, np.arange(count + 1))
    rank = np.arange(len(row)) - start[picture]
    further = np.maximum(0, np.bincount(picture[language == 0], minlength=count) - 1)
    place = np.zeros((len(languages), count), np.int32)
    place[language[language > 0], picture[language > 0]] = rank[language > 0]
    form = caption_schema(languages)

    def rows() -> Iterator[pa.RecordBatch]:
        for first in range(0, count, AT_ONCE):
            last = min(first + AT_ONCE, count)
            own = slice(start[first], start[last])
            lists = pa.LargeListArray.from_arrays(
                pa.array(start[first : last + 1] - start[first]), texts.take(pa.array(row[own]))
            )
            columns = [further[first:last].astype(np.int32), *place[1:, first:last]]
            yield pa.record_batch([lists, *map(pa.array, columns)], schema=form)

    write_captions(path, form, rows())


def _kept(
    picture: Int64[np.ndarray, " m"],
    language: Int32[np.ndarray, " m"],
    row: Int64[np.ndarray, " m"],
    texts: pa.LargeStringArray,
) -> Bool[np.ndarray, " m"]:
    """Which captions are the first of their picture and language, or another text in the first."""
    again = np.zeros(len(row), bool)
    again[1:] = (picture[1:] == picture[:-1]) & (language[1:] == language[:-1])
    kept = ~again
    # Only where a picture has several in the first language are texts compared.
    several = np.flatnonzero((language == 0) & (again | np.append(again[1:], False)))
    text = texts.take(pa.array(row[several])).dictionary_encode().indices.to_numpy()
    _, first = np.unique(np.stack([picture[several], text]), axis=1, return_index=True)
    kept[several[first]] = True
    return kept


def in_order(languages: Sequence[str]) -> list[str]:
    """Languages as captions lie in their file: English first."""
    return sorted(languages, key=lambda name: (name != DEFAULT_LANGUAGE, name))
