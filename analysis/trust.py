"""How far the neighbourhoods of a map are those of the space: what it may be trusted for."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer

from analysis.arguments import check_count
from analysis.errors import AnalysisError


def map_agreement(
    vectors: Float[np.ndarray, "n d"],
    positions: Float[np.ndarray, "m 2"],
    *,
    neighbours: int = 15,
    most: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Neighbourhoods of the space and of a map of it, compared.

    Args:
      neighbours: k, the size of a neighbourhood; at most a third of the points.
      most: points whose neighbourhoods are looked at, drawn at random where there are more; their
        neighbours are sought among all points.

    Returns: one row a measure, with columns measure, value, chance (of points placed at random),
      neighbours, points, looked_at. The measures:

      trustworthiness: 1 less a penalty for neighbours on the map that are far in the space (Venna
        and Kaski, 2001), as `sklearn.manifold.trustworthiness`; 1 if there are none.
      continuity: the same for neighbours in the space that are far on the map.
      neighbours kept: the share of a point's neighbours in the space that are so on the map.

    Raises:
      AnalysisError: there are too few points, or not as many positions as vectors.
    """
    check_count(neighbours, "neighbours")
    check_count(most, "most")
    vectors = np.asarray(vectors, np.float64)
    positions = np.asarray(positions, np.float64)
    points = len(vectors)
    if len(positions) != points:
        raise AnalysisError(f"there are {points:,} vectors but {len(positions):,} positions")
    neighbours = min(neighbours, (points - 1) // 3)
    if neighbours < 1:
        raise AnalysisError("a map of fewer than 4 points has no neighbourhoods")
    looked = np.arange(points)
    if points > most:
        looked = np.sort(np.random.default_rng(seed).permutation(points)[:most])
    found = np.zeros(3)
    for point in looked:
        in_space, on_map = (_ranks(where, int(point)) for where in (vectors, positions))
        found += [
            (in_space[(on_map <= neighbours)] - neighbours).clip(0).sum(),
            (on_map[(in_space <= neighbours)] - neighbours).clip(0).sum(),
            ((in_space <= neighbours) & (on_map <= neighbours)).sum() - 1,
        ]
    false, missed, kept = found / len(looked) / neighbours
    scale = 2 / (2 * points - 3 * neighbours - 1)
    # Expected rank beyond k of a neighbour drawn at random: the sum of 1 … n-1-k, divided by n-1.
    beyond = (points - 1 - neighbours) * (points - neighbours) / 2 / (points - 1)
    return pd.DataFrame(
        {
            "measure": ["trustworthiness", "continuity", "neighbours kept"],
            "value": [1 - scale * false, 1 - scale * missed, kept],
            "chance": [1 - scale * beyond, 1 - scale * beyond, neighbours / (points - 1)],
            "neighbours": neighbours,
            "points": points,
            "looked_at": len(looked),
        }
    )


def _ranks(vectors: Float[np.ndarray, "n d"], point: int) -> Integer[np.ndarray, " n"]:
    """The rank of every point by its distance to one, which has rank 0 itself; from 1 on."""
    square = ((vectors - vectors[point]) ** 2).sum(axis=1)
    square[point] = -1.0
    ranks = np.empty(len(vectors), np.int64)
    ranks[np.argsort(square, kind="stable")] = np.arange(len(vectors))
    return ranks
