"""Routers that learned nothing: what the geometry of a router's inputs gives by itself.

Routers are linear maps, so tokens with similar inputs share experts by construction. If images and
texts lie apart in the inputs already, even such routers separate them.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Integer

#: Kinds of them, in the order in which figures list them.
UNLEARNED = ("k-means", "k-means, by token", "random", "random, centred")


def assignments(
    hidden: Float[np.ndarray, "T c"],
    modality: Integer[np.ndarray, " T"],
    experts: int,
    draws: int,
    seed: tuple[int, int],
) -> dict[str, list[Integer[np.ndarray, " T"]]]:
    """Experts of each token by `draws` routers of each kind of `UNLEARNED`.

    k-means: clusters of the inputs with k = E and equal weight for both modalities, so that the
      many patches do not take all clusters; it is told how many tokens each modality has, which no
      router is. By token: with equal weight for all tokens, which is told nothing.
    random: argmax of Gaussian weights times the inputs, no bias, as an untrained router is.
      Centred: after the inputs' mean is subtracted, so that a direction which all tokens share does
      not send everything to one expert.

    Args:
      hidden: the inputs of a layer's router.
      modality: 0 for image, 1 for text tokens.
      seed: of the draws, and number of the layer.
    """
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=(hidden.shape[1], experts)) for _ in range(draws)]
    balance = balanced_weights(modality)
    centred = hidden - np.average(hidden, axis=0, weights=balance)
    starts = [seed[0] + start for start in range(draws)]
    return {
        "k-means": [clusters(hidden, experts, balance, seed=start) for start in starts],
        "k-means, by token": [clusters(hidden, experts, seed=start) for start in starts],
        "random": [np.argmax(hidden @ w, axis=1) for w in weights],
        "random, centred": [np.argmax(centred @ w, axis=1) for w in weights],
    }


def balanced_weights(modality: Integer[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    """Token weights that give both modalities the same total; their mean is 1."""
    count = np.bincount(modality, minlength=2)
    return (len(modality) / (2 * count.clip(1)))[modality]


def clusters(
    hidden: Float[np.ndarray, "T c"],
    experts: int,
    weights: Float[np.ndarray, " T"] | None = None,
    *,
    seed: int = 0,
) -> Integer[np.ndarray, " T"]:
    """k-means clusters of a router's inputs, as many as there are experts."""
    from sklearn.cluster import KMeans

    kmeans = KMeans(min(experts, len(hidden)), n_init=1, random_state=seed)
    return kmeans.fit_predict(hidden, sample_weight=weights).astype(np.int64)
