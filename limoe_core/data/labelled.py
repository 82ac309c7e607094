"""Pictures with a class each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Integer

from limoe_core.data.pairs import PairSet, PictureStore


class Labelled(Protocol):
    """Pictures with a class each; reading a class may read the disk."""

    def __len__(self) -> int: ...

    @property
    def pictures(self) -> PictureStore:
        """The pictures, by place."""
        ...

    def labels(self, places: Sequence[int] | np.ndarray, /) -> Integer[np.ndarray, " n"]:
        """Classes of pictures, from 0 on."""
        ...


@dataclass(frozen=True)
class Concepts:
    """The pictures of a split with their concept as class."""

    pairs: PairSet

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def pictures(self) -> PictureStore:
        """The pictures, by place."""
        return self.pairs.pictures

    def labels(self, places: Sequence[int] | np.ndarray) -> Integer[np.ndarray, " n"]:
        """Index into the concepts."""
        return self.pairs.concept[np.asarray(places, np.intp)]


@dataclass(frozen=True)
class Categories:
    """The pictures of a split with the category of their concept as class."""

    pairs: PairSet

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def pictures(self) -> PictureStore:
        """The pictures, by place."""
        return self.pairs.pictures

    @property
    def names(self) -> list[str]:
        """The classes: every category of the data set, in alphabetical order."""
        return sorted({str(name) for name in self.pairs.concepts.category} - {""})

    def labels(self, places: Sequence[int] | np.ndarray) -> Integer[np.ndarray, " n"]:
        """Index into `names`; -1 without a category."""
        place = {name: index for index, name in enumerate(self.names)}
        some = self.pairs.category[np.asarray(places, np.intp)]
        return np.array([place.get(str(name), -1) for name in some], np.int32)
