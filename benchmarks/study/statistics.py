"""Tests of differences that are paired by seed, and what many of them say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq
from scipy.special import digamma, polygamma, stdtr, stdtrit

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


class Spread(NamedTuple):
    """How far the differences of single seeds lie apart."""

    variance: float
    freedom: float
    """Degrees of freedom of the estimate."""


def own_spread(differences: Float[np.ndarray, " n"]) -> Spread:
    """That of the differences themselves; NaN of a single one."""
    n = len(differences)
    return Spread(float(np.var(differences, ddof=1)) if n > 1 else float("nan"), n - 1)


def moderated(samples: Sequence[Float[np.ndarray, " _"]]) -> list[Spread]:
    """Spreads of several comparisons in one unit, each drawn towards what all have in common.

    Few seeds tell little of a spread. By empirical Bayes (Smyth, 2004, as limma does it for genes)
    variances are taken as drawn from one scaled inverse χ² distribution, which all of them together
    tell much of: the less they differ, the more each one follows it. Comparisons of fewer than two
    differences have none, and with fewer than three others there is nothing to learn from.
    """
    spreads = [own_spread(sample) for sample in samples]
    known = [spread for spread in spreads if spread.freedom > 0 and spread.variance > 0]
    if len(known) < 3:
        return spreads
    variance, freedom = np.array(known).T
    logs = np.log(variance) - digamma(freedom / 2) + np.log(freedom / 2)
    excess = float(np.var(logs, ddof=1) - np.mean(polygamma(1, freedom / 2)))
    centre = float(np.mean(logs))
    prior, common = np.inf, float(np.exp(centre))
    if excess > 0:
        prior = 2 * _inverse_trigamma(excess)
        common = float(np.exp(centre + digamma(prior / 2) - np.log(prior / 2)))

    def drawn(spread: Spread) -> Spread:
        if spread.freedom <= 0:
            return spread
        share = 1.0 if np.isinf(prior) else prior / (prior + spread.freedom)
        together = share * common + (1 - share) * spread.variance
        # No more is known of one of them than all together say, and that is less than their
        # number says, since they have an arm in common: in simulations, half of it is right.
        return Spread(together, min(prior + spread.freedom, float(freedom.sum()) / 2))

    return [drawn(spread) for spread in spreads]


def _inverse_trigamma(value: float) -> float:
    """x with trigamma(x) = value."""
    return float(np.exp(brentq(lambda x: polygamma(1, np.exp(x)) - value, -20, 20)))


def paired(
    differences: Float[np.ndarray, " n"], margin: float, spread: Spread | None = None
) -> Paired:
    """Both tests of a mean of differences.

    Args:
      differences: one for each seed.
      margin: a mean as far from 0 as this is no longer equivalent to 0.
      spread: of single differences; their own by default.

    Raises:
      ValueError: there are none, or the margin is not positive.
    """
    n = len(differences)
    if not n or margin <= 0:
        raise ValueError("a paired test needs at least one difference and a positive margin")
    mean = float(np.mean(differences))
    variance, freedom = spread or own_spread(differences)
    if not freedom > 0:
        return Paired(n, mean, *(float("nan"),) * 4)
    error = float(np.sqrt(variance / n))
    reach = float(stdtrit(freedom, 1 - LEVEL / 2)) * error
    # Without any spread a mean is what it is, and the limits of the tests are taken.
    tiny = max(error, float(np.finfo(np.float64).tiny))
    different = 2 * float(stdtr(freedom, -abs(mean) / tiny))
    above = float(stdtr(freedom, -(mean + margin) / tiny))
    below = float(stdtr(freedom, -(margin - mean) / tiny))
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
