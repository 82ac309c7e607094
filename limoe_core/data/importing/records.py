"""What a source of pairs gives: pictures with what is said of them, and what is wrong with it."""

from __future__ import annotations

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
        return str(path.relative_to(self.root))


def split_named(name: str) -> str:
    """The split that a folder's or file's name stands for; "" if it is none."""
    return _SPLITS.get(name.strip().casefold(), "")


def split_of_file(path: Path) -> str:
    """The split that a file's name begins with, as in `train-00000-of-00002.parquet`."""
    stem = path.name.partition(".")[0]
    first = stem.replace("_", "-").partition("-")[0]
    return split_named(first) or split_named(path.parent.name)


def split_in_column(value: str, where: str) -> str:
    """The split that a value of a split column means; "" for an empty value.

    Raises:
      ConfigError: it is none that is known.
    """
    found = split_named(value)
    if value.strip() and not found:
        raise ConfigError(
            f"{where}: the split {value[:50]!r} is none of {', '.join(_SPLITS)}; rename it, or "
            "leave it empty to have splits cut"
        )
    return found
