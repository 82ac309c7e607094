"""Image-text pairs in memory, from any data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Int32, UInt8

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


@dataclass(frozen=True, eq=False)
class ConceptTable:
    """Concepts that a data set's pictures show, in all splits; sorted by key."""

    keys: np.ndarray
    """(c,) str: for emoji the code points, like `1F34E`."""
    names: dict[str, np.ndarray]
    """(c,) str by language: the one official name. English comes first if it is there."""
    aliases: list[tuple[str, ...]]
    """Further captions in the first language."""
    category: np.ndarray
    """(c,) str, "" where the data set has none."""

    def __len__(self) -> int:
        return len(self.keys)


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

    def __len__(self) -> int:
        return len(self.concept)

    def captions(self) -> list[str]:
        """All captions of this split's concepts, in all languages, to train a tokenizer on.

        Each distinct text once, in an order that depends on the data alone.
        """
        table = self.concepts
        found: dict[str, None] = {}
        for index in np.unique(self.concept):
            for language in table.names:
                found.setdefault(str(table.names[language][index]))
            for alias in table.aliases[index]:
                found.setdefault(alias)
        return list(found)


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
