"""The modality gap: how far apart pictures and texts lie in the space that they share.

Liang et al. (2022), "Mind the Gap", found that pictures and texts of contrastive models lie in two
narrow cones. Whether they do is asked here in two ways, neither of which fits a classifier: how far
apart the two means are, and how often a point's neighbours are of its own modality.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer
from scipy.stats import t

from analysis.arguments import check_count, check_pairs, check_share
from analysis.errors import AnalysisError
from analysis.neighbours import nearest_vectors
from analysis.points import Points
from analysis.slices import Where, slice_points
from limoe_core.evaluation.intervals import cluster_estimate
from limoe_core.trace import MODALITIES

#: The measures of `modality_gap`.
DISTANCE, NEIGHBOURS = "distance of the centroids", "neighbours of the same modality"
#: Signs that are drawn at once.
_AT_ONCE = 100


def modality_gap(
    images: Float[np.ndarray, "n d"],
    texts: Float[np.ndarray, "m d"],
    *,
    concepts: Sequence[str] | None = None,
    neighbours: int = 10,
    most: int = 2000,
    samples: int = 500,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """The gap between the embeddings of n pictures and those of their texts.

    Args:
      images, texts: of the same pairs, in the same order.
      concepts: the concept of each pair: pairs of one are alike, and are left out and exchanged
        together. By default, and where it is "", a pair is one by itself.
      neighbours: of a point, in the second measure.
      most: pairs that are measured, drawn at random where there are more.
      samples: of the null.

    Returns: one row a measure, with columns measure, value, low, high, null, null_low, null_high,
      beyond_null, pairs, units, samples, neighbours.

      distance of the centroids: |mean picture - mean text|; from 0 to 2 for unit vectors. Noise
        makes it larger: the interval (jackknife over concepts) lies around the value less that.
      neighbours of the same modality: the mean share of a point's nearest points, among all
        others, that are of its modality. The interval (bootstrap over concepts) holds the points
        among which neighbours are sought fixed.
      null: mean, 2.5 % and 97.5 % of the same measures when in each concept, with a chance of a
        half, pictures and texts are exchanged; beyond_null says whether the value lies above all
        but 5 % of these.

    Raises:
      AnalysisError: fewer than two concepts, or not as many pictures as texts.
    """
    check_pairs(images, texts)  # type: ignore[arg-type]
    for value, name in ((neighbours, "neighbours"), (most, "most"), (samples, "samples")):
        check_count(value, name)
    check_share(level, "level", inside=True)
    chosen = _drawn(len(images), most, seed)
    both = np.stack([np.asarray(each, np.float64)[chosen] for each in (images, texts)])
    unit = _units(concepts, len(images))[chosen]
    unit = np.unique(unit, return_inverse=True)[1]
    units, pairs = int(unit.max(initial=-1)) + 1, len(chosen)
    if units < 2:
        raise AnalysisError("the gap has an interval over concepts: it needs pairs of at least two")
    neighbours = min(neighbours, 2 * pairs - 1)
    same = _Same(both, neighbours)
    difference = both[0] - both[1]
    rng = np.random.default_rng((seed, 1))
    null: list[np.ndarray] = []
    for start in range(0, samples, _AT_ONCE):
        signs = rng.choice([-1, 1], size=(min(_AT_ONCE, samples - start), units))[:, unit]
        means = signs @ difference / pairs
        null.append(np.stack([np.linalg.norm(means, axis=1), [*map(same.of, signs)]], axis=1))
    drawn = np.concatenate(null)
    measured = {
        DISTANCE: (
            float(np.linalg.norm(difference.mean(axis=0))),
            _distance_interval(difference, unit, units, level),
        ),
        NEIGHBOURS: (
            float(same.of(np.ones(pairs, np.int64))),
            _over_concepts(same.by_pair, unit, level),
        ),
    }
    rows = []
    for place, (measure, (found, (low, high))) in enumerate(measured.items()):
        of_it = drawn[:, place]
        rows.append(
            {
                "measure": measure,
                "value": found,
                "low": low,
                "high": high,
                "null": float(of_it.mean()),
                "null_low": float(np.quantile(of_it, 0.025)),
                "null_high": float(np.quantile(of_it, 0.975)),
                "beyond_null": bool((1 + (of_it >= found).sum()) / (1 + samples) < 0.05),
                "pairs": pairs,
                "units": units,
                "samples": samples,
                "neighbours": neighbours,
            }
        )
    return pd.DataFrame(rows)


def _drawn(pairs: int, most: int, seed: int) -> Integer[np.ndarray, " m"]:
    if pairs <= most:
        return np.arange(pairs)
    return np.sort(np.random.default_rng(seed).permutation(pairs)[:most])


def _units(concepts: Sequence[str] | None, pairs: int) -> np.ndarray:
    names = [""] * pairs if concepts is None else list(concepts)
    if len(names) != pairs:
        raise AnalysisError(f"there are {pairs:,} pairs but {len(names):,} concepts")
    return np.array([f"c{name}" if name else f"p{at}" for at, name in enumerate(names)])


class _Same:
    """The share of neighbours of the same modality, for any exchange within pairs."""

    def __init__(self, both: Float[np.ndarray, "2 n d"], neighbours: int) -> None:
        self._pairs = both.shape[1]
        every = both.reshape(-1, both.shape[-1])
        near, _ = nearest_vectors(every, every, neighbours, own=np.arange(len(every)))
        self._near = near

    def of(self, signs: Integer[np.ndarray, " n"]) -> float:
        """The share when pairs with -1 have picture and text exchanged."""
        return float(self._shares(signs).mean())

    @property
    def by_pair(self) -> Float[np.ndarray, " n"]:
        """The mean share of each pair's two points."""
        shares = self._shares(np.ones(self._pairs, np.int64))
        return shares.reshape(2, self._pairs).mean(axis=0)

    def _shares(self, signs: Integer[np.ndarray, " n"]) -> Float[np.ndarray, " m"]:
        modality = np.concatenate([signs, -signs])
        return (modality[self._near] == modality[:, None]).mean(axis=1)


def _distance_interval(
    difference: Float[np.ndarray, "n d"], unit: Integer[np.ndarray, " n"], units: int, level: float
) -> tuple[float, float]:
    """Jackknife interval of the length of the mean difference, leaving out a concept at a time."""
    sums = np.zeros((units, difference.shape[1]))
    np.add.at(sums, unit, difference)
    counts = np.bincount(unit, minlength=units)
    total = sums.sum(axis=0)
    without = np.linalg.norm((total - sums) / (counts.sum() - counts)[:, None], axis=1)
    whole = float(np.linalg.norm(total)) / counts.sum()
    centre = units * whole - (units - 1) * without.mean()
    reach = t.ppf((1 + level) / 2, units - 1) * np.sqrt((units - 1) * without.var())
    return float(max(0.0, centre - reach)), float(centre + reach)


def _over_concepts(
    values: Float[np.ndarray, " n"], unit: Integer[np.ndarray, " n"], level: float
) -> tuple[float, float]:
    found = cluster_estimate(values, unit, level=level)
    return found.low, found.high


def points_gap(points: Points, *, where: Where | None = None) -> pd.DataFrame:
    """`modality_gap` of the pairs among some points that have both a picture and a text.

    Args:
      where: a slice of them, see `analysis.slices`.

    Raises:
      AnalysisError: as `modality_gap`; of a slice without pairs too.
    """
    known = points.known if where is None else points.known.iloc[slice_points(points, where)]
    known = known[known["pair"] >= 0]
    halves = [known[known["modality"] == each] for each in MODALITIES]
    both = set(halves[0]["pair"]) & set(halves[1]["pair"])
    images, texts = (half[half["pair"].isin(both)].sort_values("pair") for half in halves)
    if images["pair"].duplicated().any() or texts["pair"].duplicated().any():
        raise AnalysisError("the gap is of pairs, and there are several points of one: of tokens?")
    return modality_gap(
        points.vectors[images.index],
        points.vectors[texts.index],
        concepts=list(images["concept"]) if "concept" in images else None,
    )
