"""Exact nearest neighbours among vectors, in portions, for maps and for measures of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Integer

from analysis.arguments import check_count
from analysis.errors import AnalysisError

#: Distances that are held at once.
_AT_ONCE = 2**24


def nearest_vectors(
    queries: Float[np.ndarray, "m d"],
    vectors: Float[np.ndarray, "n d"],
    count: int,
    *,
    own: Integer[np.ndarray, " m"] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Integer[np.ndarray, "m k"], Float[np.ndarray, "m k"]]:
    """The `count` vectors nearest to each query, nearest first, and their Euclidean distances.

    For unit vectors that is the order of cosine similarity.

    Args:
      own: the place of each query among the vectors, which is then not its own neighbour.
      progress: called with (done, total) queries.

    Raises:
      AnalysisError: there are not so many vectors.
    """
    check_count(count, "the number of neighbours")
    most = len(vectors) - (own is not None)
    if count > most:
        raise AnalysisError(f"there are {most:,} vectors to be neighbours, fewer than {count:,}")
    vectors = np.asarray(vectors, np.float64)
    squares = (vectors**2).sum(axis=1)
    found = np.empty((len(queries), count), np.int64)
    distance = np.empty((len(queries), count))
    portion = max(1, _AT_ONCE // len(vectors))
    for start in range(0, len(queries), portion):
        if progress is not None:
            progress(start, len(queries))
        part = slice(start, start + portion)
        some = np.asarray(queries[part], np.float64)
        square = squares - 2 * some @ vectors.T
        if own is not None:
            square[np.arange(len(some)), own[part]] = np.inf
        near = np.sort(np.argpartition(square, count - 1, axis=1)[:, :count], axis=1)
        # From the differences, since the squares above lose what tells very near vectors apart.
        exact = np.sqrt(((vectors[near] - some[:, None]) ** 2).sum(axis=-1))
        order = np.argsort(exact, axis=1, kind="stable")
        found[part] = np.take_along_axis(near, order, axis=1)
        distance[part] = np.take_along_axis(exact, order, axis=1)
    return found, distance
