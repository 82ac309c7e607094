"""Scores of ranked answers, and intervals that respect what is independent and what is not.

Pictures of one concept are not independent: a model that knows the word knows it in every style.
So intervals here resample concepts (clusters), not pictures.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer, Real, Shaped

#: Resamples of a bootstrap.
SAMPLES = 1000


class Estimate(NamedTuple):
    """A value with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def target_ranks(
    similarity: Float[np.ndarray, "n c"], positive: Bool[np.ndarray, "n c"]
) -> Integer[np.ndarray, " n"]:
    """How many wrong candidates stand before the best right one, for each query; 0 is best.

    A wrong candidate that ties with the best right one stands before it, so a model that gives
    the same similarity to everything is right about nothing.

    Raises:
      ValueError: if a query has no right candidate, or a similarity is not finite.
    """
    if similarity.shape != positive.shape:
        raise ValueError(
            f"similarity {similarity.shape} and positive {positive.shape} must have one shape"
        )
    if not np.isfinite(similarity).all():
        raise ValueError("similarity holds NaN or infinite values; the embeddings are damaged")
    if not positive.any(axis=1).all():
        missing = int(np.flatnonzero(~positive.any(axis=1))[0])
        raise ValueError(f"query {missing} has no right answer among the candidates")
    best = np.where(positive, similarity, -np.inf).max(axis=1, keepdims=True)
    return np.sum((similarity >= best) & ~positive, axis=1)


def positives(targets: Sequence[Collection[int]], candidates: int) -> Bool[np.ndarray, "n c"]:
    """The mask of right candidates from one set of indices for each query."""
    mask = np.zeros((len(targets), candidates), bool)
    for query, target in enumerate(targets):
        mask[query, list(target)] = True
    return mask


def topk_accuracy(
    similarity: Float[np.ndarray, "n c"], targets: Sequence[Collection[int]], k: int = 1
) -> float:
    """Share of queries with a right candidate among the k most similar; `targets` are index sets.

    Any one of several right candidates will do. For ties see `target_ranks`.
    """
    ranks = target_ranks(similarity, positives(targets, similarity.shape[1]))
    return float(np.mean(ranks < k))


def retrieval_ranks(
    similarity: Float[np.ndarray, "i t"],
    image_label: Shaped[np.ndarray, " i"],
    text_label: Shaped[np.ndarray, " t"],
) -> tuple[Integer[np.ndarray, " i"], Integer[np.ndarray, " t"]]:
    """`target_ranks` image to text and text to image; a pair of equal labels is a right one."""
    positive = image_label[:, None] == text_label[None, :]
    return target_ranks(similarity, positive), target_ranks(similarity.T, positive.T)


def wilson_interval(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for a share of `hits` in `n` independent trials; (0, 1) for n = 0."""
    if not 0 <= hits <= n:
        raise ValueError(f"{hits} hits in {n} trials is not possible")
    if n == 0:
        return 0.0, 1.0
    from statistics import NormalDist

    z = NormalDist().inv_cdf(0.5 + level / 2)
    share = hits / n
    middle = share + z * z / (2 * n)
    spread = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return float(max(0.0, (middle - spread) / scale)), float(min(1.0, (middle + spread) / scale))


def cluster_estimate(
    values: Real[np.ndarray, " n"] | Bool[np.ndarray, " n"],
    clusters: Shaped[np.ndarray, " n"],
    *,
    level: float = 0.95,
    samples: int = SAMPLES,
    seed: int = 0,
) -> Estimate:
    """Mean of `values` with a bootstrap interval over whole clusters, here concepts.

    Resamples clusters with replacement and takes quantiles of the resampled means (ratio of sums,
    since clusters differ in size). Where all values are 0 or all are 1 the bootstrap has no width;
    then the interval is Wilson's with one trial a cluster. NaN throughout if there are no values.
    """
    values = np.asarray(values, np.float64)
    if len(values) == 0:
        return Estimate(float("nan"), float("nan"), float("nan"))
    _, cluster = np.unique(clusters, return_inverse=True)
    count = np.bincount(cluster)
    total = np.bincount(cluster, weights=values)
    mean = float(values.mean())
    if mean in (0.0, 1.0) and np.all(values == mean):
        return Estimate(mean, *wilson_interval(int(mean) * len(count), len(count), level))
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(len(count), np.full(len(count), 1 / len(count)), size=samples)
    means = (draws @ total) / (draws @ count)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(mean, float(low), float(high))
