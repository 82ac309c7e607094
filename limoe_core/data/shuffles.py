"""The order in which training sees pictures: one shuffle after another, from the seed alone."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int32, Integer

#: Keys of these random streams, which must be independent of others of the run.
_SHUFFLE, _MIX = 0x5F1E, 0x3A17


def shuffle(count: int, seed: int, epoch: int) -> Int32[np.ndarray, " n"]:
    """All pictures in the order of an epoch; a pure function of its arguments.

    Args:
      count: number of pictures.
      seed: the run's seed.
      epoch: counted from 0.
    """
    order = np.arange(count, dtype=np.int32)
    np.random.default_rng((seed, _SHUFFLE, epoch)).shuffle(order)
    return order


class Shuffles:
    """Batches cut from an endless sequence of shuffles.

    A batch at the end of an epoch goes on with the beginning of the next, so every epoch shows
    every picture once. Four bytes a picture are held for each of two epochs at most.
    """

    def __init__(self, count: int, batch: int, seed: int) -> None:
        """
        Args:
          count: number of pictures.
          batch: pictures in a batch; at most `count`.
          seed: the run's seed.
        """
        self._count, self._batch, self._seed = count, batch, seed
        self._epoch = functools.lru_cache(maxsize=2)(functools.partial(shuffle, count, seed))

    def __reduce__(self) -> tuple[type[Shuffles], tuple[int, int, int]]:
        return Shuffles, (self._count, self._batch, self._seed)  # a worker makes its own shuffles

    def __getitem__(self, position: int) -> Int32[np.ndarray, " b"]:
        """The pictures of a batch, counted from 0."""
        epoch, start = divmod(position * self._batch, self._count)
        order = self._epoch(epoch)[start : start + self._batch]
        missing = self._batch - len(order)
        return np.concatenate([order, self._epoch(epoch + 1)[:missing]]) if missing else order


class MixedShuffles:
    """Batches in which each of several parts of the pictures has a fixed number of places.

    Every part is shuffled by itself, and has epochs of its own. Within a batch pictures of all
    parts are mixed, so that every routing group has its share of each.
    """

    def __init__(
        self, parts: Sequence[Integer[np.ndarray, " _"]], places: Sequence[int], seed: int
    ) -> None:
        """
        Args:
          parts: the pictures of each part.
          places: of each part in a batch; at most as many as it has pictures.
          seed: the run's seed.
        """
        self._parts = [np.asarray(part, np.int32) for part in parts]
        self._places, self._seed = tuple(places), seed
        self._shuffles = [
            Shuffles(len(part), count, seed) for part, count in zip(parts, places, strict=True)
        ]

    def __getitem__(self, position: int) -> Int32[np.ndarray, " b"]:
        """The pictures of a batch, counted from 0."""
        chosen = [
            part[order[position]] for part, order in zip(self._parts, self._shuffles, strict=True)
        ]
        batch = np.concatenate(chosen)
        np.random.default_rng((self._seed, _MIX, position)).shuffle(batch)
        return batch
