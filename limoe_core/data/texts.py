"""Texts by number that stay on disk: what is asked for is read, and nothing else.

A large set has more texts than fit into memory as Python strings, or as an array whose width is
that of the longest. `Texts` is indexed as such an array is.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias, overload

import numpy as np
from jaxtyping import Integer

#: Texts that are in memory at once while all are gone through.
AT_ONCE = 65_536


class Texts(ABC):
    """n texts, read when they are asked for.

    A number gives a `str`; a slice or an array of numbers gives an array of `str`; `np.asarray`
    reads all of them.
    """

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def read(self, places: Integer[np.ndarray, " m"]) -> list[str]:
        """The texts of these numbers, from 0 on."""

    @overload
    def __getitem__(self, place: int | np.integer) -> str: ...
    @overload
    def __getitem__(self, place: slice | np.ndarray | Sequence[int]) -> np.ndarray: ...

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, (int, np.integer)):
            if not -len(self) <= place < len(self):
                raise IndexError(f"{place} of {len(self)} texts")
            return self.read(np.array([place % len(self)]))[0]
        if isinstance(place, slice):
            place = np.arange(*place.indices(len(self)))
        chosen = np.asarray(place)
        if chosen.dtype == bool:
            chosen = np.flatnonzero(chosen)
        return np.array(self.read(chosen.astype(np.int64)), dtype=np.str_)

    def __iter__(self) -> Iterator[str]:
        for block in blocks(self):
            yield from block

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.tolist(), dtype=dtype or np.str_)

    def tolist(self) -> list[str]:
        """All of them."""
        return list(self)


#: Texts on disk, or an array of str.
TextArray: TypeAlias = np.ndarray | Texts


class Made(Texts):
    """Texts that follow from their number."""

    def __init__(self, count: int, make: Callable[[Integer[np.ndarray, " m"]], list[str]]) -> None:
        self._count, self._make = count, make

    def __len__(self) -> int:
        return self._count

    def read(self, places: Integer[np.ndarray, " m"]) -> list[str]:
        """See `Texts.read`."""
        return self._make(places)


class Chosen(Texts):
    """Some of other texts, in an order of their own."""

    def __init__(self, texts: Texts, rows: Integer[np.ndarray, " n"]) -> None:
        self._texts, self._rows = texts, rows

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, places: Integer[np.ndarray, " m"]) -> list[str]:
        """See `Texts.read`."""
        return self._texts.read(self._rows[places])


def read(texts: TextArray, places: Integer[np.ndarray, " m"]) -> list[str]:
    """Some of the texts."""
    return texts.read(places) if isinstance(texts, Texts) else texts[places].tolist()


class Lists(Sequence[tuple[str, ...]]):
    """n lists of texts, read when they are asked for."""

    @abstractmethod
    def read(self, places: Integer[np.ndarray, " m"]) -> list[tuple[str, ...]]:
        """The lists of these numbers, from 0 on."""

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return self.read(np.arange(*place.indices(len(self))))
        if not -len(self) <= place < len(self):
            raise IndexError(f"{place} of {len(self)} lists")
        return self.read(np.array([int(place) % len(self)]))[0]


def read_lists(
    lists: Sequence[tuple[str, ...]], places: Integer[np.ndarray, " m"]
) -> list[tuple[str, ...]]:
    """Some of the lists."""
    if isinstance(lists, Lists):
        return lists.read(places)
    return [lists[place] for place in places.tolist()]


def empty(count: int) -> np.ndarray:
    """(count,) str: as many empty texts, which take no memory; they cannot be written to."""
    return np.broadcast_to(np.array(""), (count,))


def chosen(texts: TextArray, rows: Integer[np.ndarray, " n"]) -> TextArray:
    """Some of the texts; those on disk stay there."""
    return Chosen(texts, rows) if isinstance(texts, Texts) else texts[rows]


def blocks(texts: TextArray | Sequence[Any]) -> Iterator[list[Any]]:
    """All texts, `AT_ONCE` of them in memory at a time."""
    for start in range(0, len(texts), AT_ONCE):
        block = texts[start : start + AT_ONCE]
        yield block.tolist() if isinstance(block, np.ndarray) else list(block)


def json_pieces(texts: TextArray | Sequence[Any]) -> Iterator[bytes]:
    """The JSON array of all texts, piece by piece."""
    yield b"["
    for number, block in enumerate(blocks(texts)):
        yield (b", " if number else b"") + json.dumps(block).encode()[1:-1]
    yield b"]"
