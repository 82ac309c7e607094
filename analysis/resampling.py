"""What is resampled for intervals: concepts where several pairs show one, else pairs.

Tokens of one pair are not independent, and neither are pairs of one concept: a router that knows
the apple knows it in every style. So intervals count each concept as one draw.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Integer, Num
from scipy.special import expit, logit
from scipy.stats import t

from limoe_core.trace import RoutingTrace


class Units(NamedTuple):
    """What is drawn anew, as one, in a resample."""

    of_pair: Integer[np.ndarray, " N"]
    """The unit of each pair, counted from 0."""
    size: int
    kind: Literal["concepts", "pairs"]

    def total(self, of_pairs: Num[np.ndarray, "N ..."]) -> Num[np.ndarray, "U ..."]:
        """Sums over the pairs of each unit."""
        if self.kind == "pairs":
            return of_pairs
        order = np.argsort(self.of_pair, kind="stable")
        starts = np.searchsorted(self.of_pair[order], np.arange(self.size))
        return np.add.reduceat(of_pairs[order], starts, axis=0)

    def resampled(
        self, of_pairs: Num[np.ndarray, "N ..."], samples: int, seed: int
    ) -> Float[np.ndarray, "samples ..."]:
        """Sums over resamples of whole units, drawn with replacement."""
        totals = self.total(of_pairs)
        share = np.full(self.size, 1 / self.size)
        draws = np.random.default_rng(seed).multinomial(self.size, share, size=samples)
        flat = draws @ totals.reshape(self.size, -1).astype(np.float64)
        return flat.reshape(samples, *totals.shape[1:])


def units(trace: RoutingTrace) -> Units:
    """The units of a trace's pairs; a pair without a concept is one by itself."""
    named = trace.meta.get("concept")
    if named is not None:
        names = [f"c{name}" if name else f"p{pair}" for pair, name in enumerate(named)]
        found, unit = np.unique(names, return_inverse=True)
        if len(found) < trace.num_pairs:
            return Units(unit, len(found), "concepts")
    return Units(np.arange(trace.num_pairs), trace.num_pairs, "pairs")


#: Values as near to 0 or 1 as this have no finite logarithm of their odds.
_EDGE = 1e-4


def jackknife(
    counts: Integer[np.ndarray, "U 2 E"],
    measure: Callable[[Integer[np.ndarray, "... 2 E"]], Float[np.ndarray, ...]],
    level: float = 0.95,
) -> tuple[float, float, float]:
    """A measure from 0 to 1 less its bias, and the ends of its interval over units.

    On the scale of log(value / (1 − value)), with Student's t.

    Args:
      counts: tokens of each unit by modality and expert.
      measure: of counts of all units together.

    Returns: NaN of a single unit; NaN for both ends where the value is 0 or 1 as it stands.
    """
    many = len(counts)
    if many < 2:
        return float("nan"), float("nan"), float("nan")
    total = counts.sum(axis=0)
    value = float(measure(total))
    if value < _EDGE or value > 1 - _EDGE:
        return value, float("nan"), float("nan")
    whole = logit(value)
    without = logit(measure(total - counts).clip(_EDGE, 1 - _EDGE))
    centre = many * whole - (many - 1) * without.mean()
    deviation = np.sqrt((many - 1) * without.var())
    reach = t.ppf((1 + level) / 2, many - 1) * deviation
    corrected, low, high = expit([centre, centre - reach, centre + reach])
    return float(corrected), float(low), float(high)
