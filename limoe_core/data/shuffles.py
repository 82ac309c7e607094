"""The order in which training sees pictures: one shuffle after another, from the seed alone."""

from __future__ import annotations

import functools

import numpy as np
from jaxtyping import Int32

#: Key of this random stream, which must be independent of others of the run.
_SHUFFLE = 0x5F1E


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
