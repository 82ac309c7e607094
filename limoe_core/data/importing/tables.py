"""What is said of imported pictures, gathered while they are read and kept as files of splits.

Nothing in it is a Python object a picture or a caption, so the texts of a large set take as much
memory as they are long.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Int8, Int32, Int64, UInt64

from limoe_core.data.importing import splits
from limoe_core.data.importing.records import DEFAULT_LANGUAGE, Record
from limoe_core.data.importing.report import KEPT, Report
from limoe_core.data.importing.split_files import (
    captions_file,
    in_order,
    pictures_file,
    write_captions_of,
    write_pictures,
)

#: Bytes of a picture's digest.
DIGEST = 16
_AT_ONCE = 8192


@dataclass
class Texts:
    """Texts one after another, as Arrow."""

    _chunks: list[pa.Array] = field(default_factory=list)
    _last: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        """One more."""
        self._last.append(text)
        if len(self._last) == _AT_ONCE:
            self._flush()

    def array(self) -> pa.ChunkedArray:
        """All of them."""
        self._flush()
        return pa.chunked_array(self._chunks, pa.large_string())

    def _flush(self) -> None:
        self._chunks.append(pa.array(self._last, pa.large_string()))
        self._last = []


@dataclass
class Names:
    """Few different names, by number in the order of their first use; "" is -1."""

    known: dict[str, int] = field(default_factory=dict)

    def number(self, name: str) -> int:
        """The number of a name."""
        return self.known.setdefault(name, len(self.known)) if name else -1

    def sorted(self, numbers: Int32[np.ndarray, " n"]) -> tuple[list[str], Int32[np.ndarray, " n"]]:
        """The names in alphabetical order, and the numbers that they have then."""
        names = sorted(self.known)
        order = np.empty(len(names) + 1, np.int32)
        order[-1] = -1
        order[[self.known[name] for name in names]] = np.arange(len(names))
        return names, order[numbers]


@dataclass
class Gathered:
    """What is said of each picture that was written, in the order of their records."""

    content: bytearray = field(default_factory=bytearray)
    files: Texts = field(default_factory=Texts)
    label: array = field(default_factory=lambda: array("i"))
    category: array = field(default_factory=lambda: array("i"))
    split: array = field(default_factory=lambda: array("b"))
    captions: Texts = field(default_factory=Texts)
    language: array = field(default_factory=lambda: array("i"))
    picture: array = field(default_factory=lambda: array("q"))
    """Number of each caption's picture."""
    labels: Names = field(default_factory=Names)
    categories: Names = field(default_factory=Names)
    languages: Names = field(default_factory=Names)

    def __len__(self) -> int:
        return len(self.split)

    def add(self, record: Record, digest: bytes) -> None:
        """One more picture."""
        for caption in record.captions:
            self._caption(len(self), caption.text, caption.language)
        self.content += digest
        self.files.add(record.name)
        self.label.append(self.labels.number(record.label))
        self.category.append(self.categories.number(record.category))
        self.split.append(splits.SPLITS.index(record.split) if record.split else splits.NONE)

    def _caption(self, picture: int, text: str, language: str) -> None:
        self.picture.append(picture)
        self.language.append(self.languages.number(language))
        self.captions.add(text)

    def write(self, folder: Path, report: Report) -> None:
        """Cuts the splits, keeps one of each copies, and writes the tables; fills in the report.

        Raises:
          limoe_core.config.ConfigError: there are too few pictures, or none of training.
        """
        labelled = not len(self.captions.array())
        label = np.array(self.label, np.int32)
        category, categories = np.array(self.category, np.int32), self.categories
        if not labelled:
            self._name_by_label(label)
            if not categories.known:  # a class beside captions is for analysis
                category, categories = label, self.labels
            label = np.full_like(label, -1)
        classes, label = self.labels.sorted(label)
        names, category = categories.sorted(category)
        hashes = np.frombuffer(self.content, ">u8").astype(np.uint64).reshape(-1, 2)
        split = splits.cut(hashes[:, 0], np.array(self.split, np.int8))
        order, first = _order(hashes, split, label)
        kept = order[first]
        self._count_copies(report, hashes, split, label, order, first)
        split_of = split[kept]
        row = np.empty(len(self), np.int64)  # of each picture among those of its split
        rank = np.empty(len(kept), np.int64)
        for number in range(len(splits.SPLITS)):
            own = np.flatnonzero(split_of == number)
            rank[own] = np.arange(len(own))
        row[order] = rank[np.cumsum(first) - 1]
        table = pa.table(
            {
                "record": kept,
                "content": _digests(self.content, kept),
                "file": self.files.array().take(kept),
                "label": label[kept],
                "category": category[kept],
            }
        )
        for number, name in enumerate(splits.SPLITS):
            own = np.flatnonzero(split_of == number)
            if len(own):
                write_pictures(pictures_file(folder, name), table.take(own), names)
        if not labelled:
            self._write_captions(folder, row, split, report)
        report.pictures = len(kept)
        report.classes = classes if labelled else []
        report.categories = len(set(category.tolist()) - {-1})
        counts = np.bincount(split[kept], minlength=len(splits.SPLITS))
        report.splits = {
            name: int(count) for name, count in zip(splits.SPLITS, counts, strict=True) if count
        }

    def _name_by_label(self, label: Int32[np.ndarray, " n"]) -> None:
        """In a set with captions, a picture that has none is called by its class."""
        names = list(self.labels.known)
        without = np.ones(len(self), bool)
        without[np.array(self.picture, np.int64)] = False
        for picture in np.flatnonzero(without).tolist():
            self._caption(picture, names[label[picture]].replace("_", " "), DEFAULT_LANGUAGE)

    def _write_captions(
        self,
        folder: Path,
        row: Int64[np.ndarray, " n"],
        split: Int8[np.ndarray, " n"],
        report: Report,
    ) -> None:
        texts = pa.concat_arrays(self.captions.array().chunks)
        of = np.array(self.picture, np.int64)
        names, language = self.languages.sorted(np.array(self.language, np.int32))
        counts = np.bincount(language, minlength=len(names))
        report.captions = len(texts)
        report.languages = {name: int(count) for name, count in zip(names, counts, strict=True)}
        languages = in_order(names)
        language = np.array([languages.index(name) for name in names], np.int32)[language]
        for number, name in enumerate(splits.SPLITS):
            own = np.flatnonzero(split[of] == number)
            if len(own):
                own = own[np.argsort(row[of[own]], kind="stable")]
                picture = row[of[own]]
                write_captions_of(
                    captions_file(folder, name),
                    int(picture[-1]) + 1,
                    picture,
                    language[own],
                    languages,
                    texts.take(pa.array(own)),
                )

    def _count_copies(
        self,
        report: Report,
        hashes: UInt64[np.ndarray, "n 2"],
        split: Int8[np.ndarray, " n"],
        label: Int32[np.ndarray, " n"],
        order: Int64[np.ndarray, " n"],
        first: np.ndarray,
    ) -> None:
        files = self.files.array()
        places = np.flatnonzero(~first)
        originals = np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))[places]
        report.copies.count = len(places)
        report.copies.first = [
            f"{files[copy]} of {files[original]}"
            for copy, original in zip(order[places][:KEPT], order[originals][:KEPT], strict=True)
        ]
        kept = order[first]
        same = np.all(hashes[kept][1:] == hashes[kept][:-1], axis=1)
        report.copies_between_splits = int(np.sum(same & (np.diff(split[kept]) != 0)))
        report.copies_between_classes = int(np.sum(same & (np.diff(label[kept]) != 0)))


def _order(
    hashes: UInt64[np.ndarray, "n 2"],
    split: Int8[np.ndarray, " n"],
    label: Int32[np.ndarray, " n"],
) -> tuple[Int64[np.ndarray, " n"], np.ndarray]:
    """Pictures by content, and which of them are the first of equal ones."""
    keys = (label, split, hashes[:, 1], hashes[:, 0])
    order = np.lexsort(keys)
    first = np.ones(len(order), bool)
    first[1:] = np.any([key[order][1:] != key[order][:-1] for key in keys], axis=0)
    return order, first


def _digests(content: bytearray, kept: Int64[np.ndarray, " n"]) -> pa.Array:
    every = np.frombuffer(content, f"V{DIGEST}")[kept]
    return pa.Array.from_buffers(
        pa.binary(DIGEST), len(kept), [None, pa.py_buffer(every.tobytes())]
    )
