"""How far a linear classifier comes on frozen image embeddings with a few examples of each class.

Ridge regression onto ±1 targets, as in few-shot evaluation of Vision Transformers (Dosovitskiy et
al., 2021, section 4.1). Its strength is chosen by leave-one-out error on the examples alone, so no
test picture has a say. Features are what the model gives: embeddings after the projection that
pictures and texts share, of unit length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Integer

from limoe_core.config import ConfigError
from limoe_core.evaluation.embedding import Encoder, Progress, embed_pictures, silent
from limoe_core.evaluation.intervals import wilson_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from limoe_core.data.dataset import Probed
    from limoe_core.data.labelled import Labelled

#: Examples of each class, and how often they are drawn anew.
SHOTS, DRAWS = 10, 5
#: Strengths of the ridge penalty to choose from.
STRENGTHS = tuple(10.0**exponent for exponent in range(-6, 4))
_READ_AT_ONCE = 256


def draw_examples(
    data: Labelled,
    classes: int,
    *,
    shots: int = SHOTS,
    seed: int | Sequence[int] = 0,
    progress: Progress = silent,
) -> tuple[Integer[np.ndarray, " m"], Integer[np.ndarray, " m"]]:
    """Places and classes of `shots` examples of each class, by a shuffle that the seed decides.

    Goes through the shuffled pictures until each class has its examples, so that of a large set
    only a part is read. A class with fewer pictures gives all that it has.
    """
    order = np.random.default_rng(seed).permutation(len(data))
    missing = np.full(classes, shots)
    places, labels = [], []
    blocks = range(0, len(order), _READ_AT_ONCE)
    for start in progress(f"examples, {shots} of each class", blocks):
        some = order[start : start + _READ_AT_ONCE]
        for place, label in zip(some.tolist(), data.labels(some).tolist(), strict=True):
            if label >= 0 and missing[label]:
                missing[label] -= 1
                places.append(place)
                labels.append(label)
        if not missing.any():
            break
    return np.array(places, np.int64), np.array(labels, np.int32)


def classify_linearly(
    examples: Float[np.ndarray, "m d"],
    labels: Integer[np.ndarray, " m"],
    pictures: Float[np.ndarray, "n d"],
) -> tuple[Integer[np.ndarray, " n"], float]:
    """The class of each picture by ridge regression on the examples, and the strength chosen."""
    from sklearn.linear_model import RidgeClassifierCV

    probe = RidgeClassifierCV(alphas=STRENGTHS)
    probe.fit(np.asarray(examples, np.float64), labels)
    return probe.predict(np.asarray(pictures, np.float64)), float(probe.alpha_)


def linear_probe(
    model: Encoder,
    train: Labelled,
    embeddings: Float[np.ndarray, "n d"],
    labels: Integer[np.ndarray, " n"],
    classes: int,
    *,
    shots: int = SHOTS,
    draws: int = DRAWS,
    seed: int = 0,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Top-1 accuracy of few-shot linear classifiers, over several draws of their examples.

    Args:
      train: where examples are drawn.
      embeddings, labels: of the test pictures; those with label -1 are left out.

    Returns: ready for JSON; `top1` is the mean over draws, with a 95 % interval (Student's t) of
      that mean: how it would move with other examples, for these test pictures.

    Raises:
      ConfigError: there are not two classes to tell apart.
    """
    known = labels >= 0
    accuracy, strength, found = [], [], 0
    for draw in range(draws):
        places, own = draw_examples(
            train, classes, shots=shots, seed=(seed, draw), progress=progress
        )
        if len(np.unique(own)) < 2:
            raise ConfigError("a linear probe needs labelled pictures of at least two classes")
        features = embed_pictures(
            model, train.pictures, places, label=f"draw {draw + 1} of {draws}", progress=progress
        )
        answers, alpha = classify_linearly(features, own, embeddings[known])
        accuracy.append(float(np.mean(answers == labels[known])))
        strength.append(alpha)
        found = len(places)
    return {
        "n": int(known.sum()),
        "ways": classes,
        "shots": shots,
        "draws": draws,
        "examples": found,
        "resampled": "draws",
        "features": "image embeddings after the projection, unit length",
        "top1": _over_draws(accuracy, int(known.sum())),
        "top1_by_draw": accuracy,
        "strength_by_draw": strength,
    }


def evaluate_linear_probe(
    model: Encoder, probed: Probed, *, seed: int = 0, progress: Progress = silent
) -> dict[str, Any]:
    """A linear probe of a data set, as it says that it can be probed."""
    test = probed.test
    pictures = embed_pictures(
        model, test.pictures, label=f"pictures of {test.split}", progress=progress
    )
    found = linear_probe(
        model, probed.train, pictures, probed.labels, probed.classes, seed=seed, progress=progress
    )
    named = {"class_names": list(probed.names)} if probed.names else {}
    common = {"split": test.split, "data": test.name, "digest": test.digest, "seed": seed}
    return {**common, **named, **found}


def _over_draws(values: Sequence[float], pictures: int) -> dict[str, float]:
    """Mean with Student's 95 % interval, cut to what a share can be.

    Where all draws come to the same, as at 100 %, it is Wilson's over the test pictures instead.
    """
    from scipy.stats import t

    mean = float(np.mean(values))
    if len(set(values)) < 2:
        low, high = wilson_interval(round(mean * pictures), pictures)
        return {"value": mean, "low": low, "high": high}
    error = float(np.std(values, ddof=1)) / np.sqrt(len(values))
    reach = float(t.ppf(0.975, len(values) - 1)) * error
    return {"value": mean, "low": max(0.0, mean - reach), "high": min(1.0, mean + reach)}
