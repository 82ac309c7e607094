"""Curves of thousands of points made smooth, and made small enough to draw, honestly."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from analysis.errors import AnalysisError


def smoothed(
    steps: Int[np.ndarray, " n"], values: Float[np.ndarray, " n"], half_life: float
) -> Float[np.ndarray, " n"]:
    """Exponential moving average of the values until each step, by distance in steps.

    A value `half_life` steps back counts half as much as the newest one. The weights sum to one
    from the first value on, so the curve does not begin at zero. Values that are not finite are
    left out of the average, and are not finite in it either.

    Args:
      steps: rising.
      half_life: in steps; 0 for the values as they are.

    Raises:
      AnalysisError: `half_life` is negative.
    """
    if not half_life >= 0:
        raise AnalysisError(f"half_life is a number of steps, at least 0, not {half_life!r}")
    if half_life == 0 or not len(values):
        return np.asarray(values, float)
    keep = 0.5 ** (np.diff(steps, prepend=steps[0]) / half_life)
    total = weight = 0.0
    found = np.full(len(values), np.nan)
    for place, value in enumerate(np.asarray(values, float).tolist()):
        total, weight = total * keep[place], weight * keep[place]
        if np.isfinite(value):
            total, weight = total + value, weight + 1.0
            found[place] = total / weight
    return found


def thinned(
    x: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"], buckets: int
) -> Int[np.ndarray, " m"]:
    """Indices of the points to draw where there are more than a screen has columns.

    The axis is cut into `buckets` equal parts, and of each part the first, the smallest, the
    largest and the last point are kept: no peak is lost, and nothing is drawn that is not in the
    data. At most four points a part.

    Args:
      x: places on the axis, as it is drawn (logarithms on a logarithmic one), rising.
      values: those that are not finite stay where a part has no others.

    Raises:
      AnalysisError: `buckets` is below 1.
    """
    if buckets < 1:
        raise AnalysisError(f"buckets must be at least 1, not {buckets!r}")
    count = len(x)
    if count <= 4 * buckets:
        return np.arange(count)
    width = (x[-1] - x[0]) / buckets or 1.0
    bucket = np.minimum(((x - x[0]) / width).astype(np.int64), buckets - 1)
    starts = np.flatnonzero(np.diff(bucket, prepend=-1))
    ends = np.append(starts[1:], count)
    # Ordered by bucket and value: the extremes of a bucket lie at its ends.
    low = np.lexsort((np.where(np.isfinite(values), values, np.inf), bucket))[starts]
    high = np.lexsort((np.where(np.isfinite(values), values, -np.inf), bucket))[ends - 1]
    return np.unique(np.concatenate([starts, low, high, ends - 1]))
