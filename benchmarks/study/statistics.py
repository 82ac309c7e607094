"""Tests of differences that are paired by seed, and what many of them say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import t

#: Level of all tests and, from 1, of all intervals.
LEVEL = 0.05


@dataclass(frozen=True)
class Paired:
    """What the differences of n seeds say of their mean."""

    n: int
    mean: float
    low: float
    """End of a 95 % interval; NaN of a single seed."""
    high: float
    p_different: float
    """Of a two-sided t-test that the mean is 0."""
    p_equivalent: float
    """Of two one-sided tests that it lies beyond the margin on either side."""


def paired(differences: Float[np.ndarray, " n"], margin: float) -> Paired:
    """Both tests of a mean of differences.

    Args:
      differences: one for each seed.
      margin: a mean as far from 0 as this is no longer equivalent to 0.

    Raises:
      ValueError: there are none, or the margin is not positive.
    """
    n = len(differences)
    if not n or margin <= 0:
        raise ValueError("a paired test needs at least one difference and a positive margin")
    mean = float(np.mean(differences))
    if n == 1:
        return Paired(n, mean, *(float("nan"),) * 4)
    error = float(np.std(differences, ddof=1) / np.sqrt(n))
    reach = float(t.ppf(1 - LEVEL / 2, n - 1)) * error
    # Without any spread a mean is what it is, and the limits of the tests are taken.
    tiny = max(error, np.finfo(np.float64).tiny)
    different = 2 * float(t.sf(abs(mean) / tiny, n - 1))
    above = float(t.sf((mean + margin) / tiny, n - 1))
    below = float(t.sf((margin - mean) / tiny, n - 1))
    return Paired(n, mean, mean - reach, mean + reach, different, max(above, below))


def holm(p_values: Sequence[float]) -> Float[np.ndarray, " k"]:
    """p-values corrected for there being k of them (Holm, 1979); NaNs stay and do not count."""
    found = np.asarray(p_values, np.float64)
    known = np.flatnonzero(~np.isnan(found))
    order = known[np.argsort(found[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    corrected = np.full(len(found), np.nan)
    corrected[order] = np.minimum(np.maximum.accumulate(found[order] * factors), 1.0)
    return corrected


def slope(values: Float[np.ndarray, "n k"], places: Sequence[float]) -> Float[np.ndarray, " n"]:
    """Rise per unit of a straight line through each row, by least squares.

    Args:
      values: one row for each seed.
      places: where the columns lie.
    """
    centred = np.asarray(places, np.float64) - np.mean(places)
    return np.asarray(values, np.float64) @ centred / (centred @ centred)
