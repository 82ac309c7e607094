"""What a source of pairs gives: pictures with what is said of them, and what is wrong with it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from limoe_core.config import ConfigError

#: Language of texts where the source does not say.
DEFAULT_LANGUAGE = "en"

_SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "eval": "test",
}
SPLIT_NAMES = tuple(dict.fromkeys(_SPLITS.values()))
_ANY_SPLIT = "|".join(sorted(_SPLITS, key=len, reverse=True))
#: A split's name with what people add to it, as in `train2017`, `test_set` or `val images`.
_SPLIT = re.compile(
    rf"({_ANY_SPLIT})([-_ ]?(set|split|data|images|imgs))?([-_ ]?\d{{1,4}})?", re.IGNORECASE
)
#: What ends with one, and perhaps with the number of a shard, as in `imagenet-train-0000`.
_LAST_IS_SPLIT = re.compile(rf"(?:.*[-_ ])?({_ANY_SPLIT})\d{{0,4}}([-_ ](\d+|of))*", re.IGNORECASE)


@dataclass(frozen=True)
class Caption:
    """A text in a language."""

    text: str
    language: str = DEFAULT_LANGUAGE


@dataclass(frozen=True)
class Record:
    """One picture of a source."""

    name: str
    """Where it comes from, for people: `birds/1.jpg`, or `a.tar, sample 0001`."""
    picture: bytes
    """The encoded picture, as it is."""
    captions: tuple[Caption, ...] = ()
    label: str = ""
    """Its class; "" for none."""
    category: str = ""
    split: str = ""
    """`train`, `validation` or `test`; "" where the source does not say."""


@dataclass(frozen=True)
class Problem:
    """Something in a source that cannot be used."""

    kind: Literal["picture", "text"]
    where: str
    """File, and line or row."""
    why: str


Found = Record | Problem


class Source(Protocol):
    """A place with pairs of one kind; it reads nothing before `records` is asked."""

    @property
    def kind(self) -> str:
        """What it is, in words."""
        ...

    @property
    def count(self) -> int | None:
        """Number of its pictures, if it is known without reading them."""
        ...

    def records(self) -> Iterator[Found]:
        """Its pictures, in an order that depends on names and content alone."""
        ...


@dataclass(frozen=True)
class Place:
    """A folder or file to look at."""

    root: Path
    """Resolved; nothing outside it is read. The folder that was named, or that of the file."""
    path: Path
    """The folder or file itself, within `root` or equal to it."""
    image_column: str | None = None
    text_column: str | None = None
    split: str = ""
    """Split of all that is there, where a folder above says so."""

    def name_of(self, path: Path) -> str:
        """A file's name for people, from the root on."""
        return printable(str(path.relative_to(self.root)))


def printable(name: str) -> str:
    """A file's name in which bytes that are not UTF-8 are written as `\\xe9`."""
    return os.fsencode(name).decode(errors="backslashreplace")


def split_named(name: str) -> str:
    """The split that a folder's or file's name stands for; "" if it is none."""
    found = _SPLIT.fullmatch(name.strip())
    return _SPLITS[found[1].casefold()] if found else ""


def split_of_file(path: Path) -> str:
    """The split in the name of a file or its folder; "" for none."""
    return split_of_name(path) or split_named(path.parent.name)


def split_of_name(path: Path) -> str:
    """The split that a file's name begins or ends with, as `train-00000-of-00002.parquet`."""
    stem = path.name.partition(".")[0]
    if found := _LAST_IS_SPLIT.fullmatch(stem):
        return _SPLITS[found[1].casefold()]
    first = stem.replace("_", "-").partition("-")[0]
    return split_named(first)


def split_in_column(value: str, where: str) -> str:
    """The split that a value of a split column means; "" for an empty value.

    Raises:
      ConfigError: it is none that is known.
    """
    found = split_named(value)
    if value.strip() and not found:
        raise ConfigError(
            f"{where}: the split {value[:50]!r} is none of {', '.join(_SPLITS)}; rename it, or "
            "leave the whole column empty to have splits cut"
        )
    return found
