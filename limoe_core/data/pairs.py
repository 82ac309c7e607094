"""Image-text pairs in memory, from any data set."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from jaxtyping import Int32, UInt8

from limoe_core.data.attribution import Attribution

#: Side of a stored picture in pixels, unless the model's input needs more.
SIDE = 72


def stored_side(image_size: int) -> int:
    """Side of stored pictures, large enough for a model's input and its augmentation."""
    return max(SIDE, round(image_size * 9 / 8))


class PictureStore(Protocol):
    """Pictures of a split, RGBA, all squares of one side; 72 pixels for emoji."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "s s 4"]: ...

    def batch(self, indices: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "b s s 4"]:
        """Several pictures at once."""
        ...

    def digest(self) -> str:
        """Stands for the content of all pictures, in their order."""
        ...


@dataclass(frozen=True, eq=False)
class ArrayPictures:
    """Pictures that fit in memory, decoded once."""

    pixels: UInt8[np.ndarray, "n 72 72 4"]

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "72 72 4"]:
        return self.pixels[index]

    def batch(self, indices: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "b 72 72 4"]:
        """Several pictures at once."""
        return self.pixels[np.asarray(indices, np.intp)]

    def digest(self) -> str:
        """See `PictureStore.digest`; of the decoded pixels."""
        found = new_digest()
        found.update(repr(self.pixels.shape).encode())
        found.update(np.ascontiguousarray(self.pixels).data)
        return found.hexdigest()


@dataclass(frozen=True, eq=False)
class ConceptTable:
    """Concepts that a data set's pictures show, in all splits; sorted by key."""

    keys: np.ndarray
    """(c,) str: for emoji the code points, like `1F34E`."""
    names: dict[str, np.ndarray]
    """(c,) str by language: the one official name. English comes first if it is there.

    Every concept has a name in the first language; "" in another means that it has none there."""
    aliases: list[tuple[str, ...]]
    """Further captions in the first language."""
    category: np.ndarray
    """(c,) str, "" where the data set has none."""

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def first_language(self) -> str:
        """The one that every concept has a name in."""
        return next(iter(self.names))

    def languages_of(self, concept: int) -> list[str]:
        """The languages that a concept has a name in; the first one in any case."""
        first, *others = self.names
        return [first, *(language for language in others if self.names[language][concept])]

    def names_in(self, language: str) -> np.ndarray:
        """(c,) str: names in a language, and in the first one where there are none in it."""
        names = self.names[language]
        return np.where(names == "", self.names[self.first_language], names)


@dataclass(frozen=True, eq=False)
class PairSet:
    """The pictures of one split and their concepts."""

    name: str
    """Data set, config and version: `emoji/full:1.0.0`."""
    split: str
    pictures: PictureStore
    concept: Int32[np.ndarray, " n"]
    """Index into `concepts` by picture."""
    style: np.ndarray
    """(n,) str: style of the drawing, "" where the data set does not say."""
    category: np.ndarray
    """(n,) str."""
    concepts: ConceptTable
    damaged: Mapping[int, str] = field(default_factory=dict)
    """Records that were left out because their picture cannot be read, and why, by number."""
    caption: np.ndarray | None = None
    """(n,) str: a further caption in the first language that is true of this picture alone, as
    "home outline" is of one drawing of a home, "" for none; None where no picture has one."""
    attributions: tuple[Attribution, ...] = ()
    """Authors and licences of the pictures and names."""
    copy: Int32[np.ndarray, " n"] | None = None
    """A number that exact copies of a picture have in common, under whichever concepts they are;
    None where no two pictures are known to be the same."""

    def __len__(self) -> int:
        return len(self.concept)

    @functools.cached_property
    def languages(self) -> tuple[str, ...]:
        """Languages that every concept of this split has a name in, the first one in any case."""
        first, *others = self.concepts.names
        shown = np.unique(self.concept)
        named = (one for one in others if np.all(self.concepts.names[one][shown] != ""))
        return (first, *named)

    @functools.cached_property
    def digest(self) -> str:
        """Stands for the content of this split: its pictures, what each shows, and every text.

        Neither the name of the set nor its place on disk counts, so a copy has the same digest.
        """
        found = new_digest()
        found.update(self.pictures.digest().encode())
        found.update(self.concept.astype("<i4").tobytes())
        table = self.concepts
        texts = [
            [self.style.tolist(), self.category.tolist()],
            [table.keys.tolist(), table.category.tolist(), list(map(list, table.aliases))],
            [[language, names.tolist()] for language, names in table.names.items()],
        ]
        found.update(json.dumps(texts).encode())
        if self.caption is not None:
            found.update(json.dumps(self.caption.tolist()).encode())
        return found.hexdigest()

    def captions(self) -> list[str]:
        """All captions of this split, in all languages, to train a tokenizer on.

        Each distinct text once, in an order that depends on the data alone.
        """
        table = self.concepts
        found: dict[str, None] = {}
        for index in np.unique(self.concept):
            for language in table.languages_of(index):
                found.setdefault(str(table.names[language][index]))
            for alias in table.aliases[index]:
                found.setdefault(alias)
        for text in () if self.caption is None else np.unique(self.caption).tolist():
            if text:
                found.setdefault(text)
        return list(found)


def new_digest() -> hashlib.blake2b:
    """The hash that all digests of data are made with."""
    return hashlib.blake2b(digest_size=16)


def name_ceiling(concepts: ConceptTable, language: str) -> float:
    """Accuracy of perfect knowledge among all concept names of a language.

    Below 1 where concepts share a name: of k concepts with one name, a guess among them is right
    for one in k. Case is ignored.

    Args:
      concepts: the classes.
      language: a key of `concepts.names`.
    """
    names = [str(name).casefold() for name in concepts.names[language]]
    return len(set(names)) / len(names)
