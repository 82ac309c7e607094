"""What is resampled for intervals: concepts where several pairs show one, else pairs.

Tokens of one pair are not independent, and neither are pairs of one concept: a router that knows
the apple knows it in every style. So intervals count each concept as one draw.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Integer, Num

from limoe_core.trace import RoutingTrace


class Units(NamedTuple):
    """What is drawn anew, as one, in a resample."""

    of_pair: Integer[np.ndarray, " N"]
    """The unit of each pair, counted from 0."""
    count: int
    kind: Literal["concepts", "pairs"]

    def total(self, of_pairs: Num[np.ndarray, "N ..."]) -> Num[np.ndarray, "U ..."]:
        """Sums over the pairs of each unit."""
        found = np.zeros((self.count, *of_pairs.shape[1:]), of_pairs.dtype)
        np.add.at(found, self.of_pair, of_pairs)
        return found

    def resampled(
        self, of_pairs: Num[np.ndarray, "N ..."], samples: int, seed: int
    ) -> Float[np.ndarray, "samples ..."]:
        """Sums over resamples of whole units, drawn with replacement."""
        totals = self.total(of_pairs)
        share = np.full(self.count, 1 / self.count)
        draws = np.random.default_rng(seed).multinomial(self.count, share, size=samples)
        flat = draws @ totals.reshape(self.count, -1).astype(np.float64)
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
