"""Zero-shot classification from embeddings alone, as results ready for JSON.

What counts as right: concepts that share their name in the language asked (several hearts, for
example) cannot be told apart by that name, so an answer is right if its *name* is the picture's
name, letter case aside. How far perfect knowledge would come if the very concept were asked for is
given beside it as `ceiling`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Integer, Shaped

from limoe_core.evaluation.intervals import (
    Estimate,
    cluster_estimate,
    target_ranks,
    wilson_interval,
)

#: k of top-k accuracy.
TOP = (1, 5)
#: Queries that are compared with all candidates at a time.
_AT_ONCE = 4096


@dataclass(frozen=True)
class ZeroShot:
    """Classification of n pictures by the names of C classes."""

    ranks: Integer[np.ndarray, " n"]
    """Wrong classes before the best right one; 0 where the answer is right."""
    top: Integer[np.ndarray, "n k"]
    """The most similar classes, best first, as concept indices."""
    similarity: Float[np.ndarray, "n k"]
    """Their cosine similarities."""
    ceiling: float
    """Expected top-1 of perfect knowledge if the very concept had to be named, not its name."""
    chance: dict[str, float]
    """Top-1 and top-5 of guessing: `{"top1", "top5"}`."""


def zero_shot(
    image_embeddings: Float[np.ndarray, "n d"],
    concept_of_image: Integer[np.ndarray, " n"],
    class_embeddings: Float[np.ndarray, "C d"],
    classes: Integer[np.ndarray, " C"],
    names: Shaped[np.ndarray, " C"],
    *,
    keep: int = 5,
) -> ZeroShot:
    """Classify pictures by the class text that is most similar.

    Args:
      image_embeddings, class_embeddings: unit vectors.
      concept_of_image: index of each picture's concept.
      classes: index of the concept that each class text names; every picture's must be there.
      names: the class texts.
      keep: how many of the most similar classes to return.

    Raises:
      ValueError: if a picture's concept is not among the classes.
    """
    label_of_class, label_of_image = labels_of(classes, names, concept_of_image)
    keep = min(keep, len(classes))
    ranks, top, cosine = [], [], []
    for start in range(0, max(1, len(label_of_image)), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        similarity = cosines(image_embeddings[some], class_embeddings)
        ranks.append(target_ranks(similarity, label_of_image[some, None] == label_of_class))
        best = np.argsort(-similarity, axis=1, kind="stable")[:, :keep]
        top.append(np.asarray(classes)[best])
        cosine.append(np.take_along_axis(similarity, best, axis=1))
    namesakes = np.bincount(label_of_class)
    return ZeroShot(
        ranks=np.concatenate(ranks),
        top=np.concatenate(top),
        similarity=np.concatenate(cosine),
        ceiling=float(np.mean(1 / namesakes[label_of_image]))
        if len(label_of_image)
        else float("nan"),
        chance={f"top{k}": guessing(namesakes[label_of_image], len(classes), k) for k in TOP},
    )


def guessing(right: Integer[np.ndarray, " n"], classes: int, k: int) -> float:
    """Top-k of a random order of the classes, of which so many have each picture's name."""
    if not len(right):
        return float("nan")
    drawn = np.arange(min(k, classes))
    left = (classes - right[:, None] - drawn).clip(0)
    return float(np.mean(1 - np.prod(left / (classes - drawn), axis=1)))


def labels_of(
    classes: np.ndarray, names: np.ndarray, concept_of_image: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One number for each distinct name, letter case aside: of every class, and of every picture.

    Raises:
      ValueError: if a picture's concept is not among the classes.
    """
    folded = np.array([str(name).casefold() for name in names])
    _, label_of_class = np.unique(folded, return_inverse=True)
    of_concept = dict(zip(np.asarray(classes).tolist(), label_of_class.tolist(), strict=True))
    absent = set(np.asarray(concept_of_image).tolist()) - set(of_concept)
    if absent:
        raise ValueError(
            f"{len(absent)} of the pictures' concepts are not among the {len(classes)} classes, "
            f"the first of them number {min(absent)}"
        )
    label_of_image = np.array([of_concept[c] for c in np.asarray(concept_of_image).tolist()], int)
    return label_of_class, label_of_image


def cosines(one: np.ndarray, other: np.ndarray) -> Float[np.ndarray, "n m"]:
    """Cosine similarities of unit vectors, in float32."""
    return np.asarray(one, np.float32) @ np.asarray(other, np.float32).T


def accuracies(
    ranks: Integer[np.ndarray, "*L n"],
    concept: Integer[np.ndarray, " n"] | None,
    *,
    seed: int,
    ks: Sequence[int] = TOP,
    name: str = "top",
) -> dict[str, dict[str, float]]:
    """`{"top1": {"value", "low", "high"}, …}` with 95 % intervals that resample concepts.

    Without concepts every picture counts as a trial of its own, in Wilson's interval: where the
    classes are all that there are, and not a sample of them.

    Ranks of several languages, one row each, are averaged picture by picture first, so that the
    interval knows that they speak of the same pictures.
    """
    hits = {k: np.atleast_2d(ranks < k).mean(axis=0) for k in ks}
    return {f"{name}{k}": _estimate(hit, concept, seed)._asdict() for k, hit in hits.items()}


def _estimate(
    hit: Float[np.ndarray, " n"], concept: Integer[np.ndarray, " n"] | None, seed: int
) -> Estimate:
    if concept is not None:
        return cluster_estimate(hit, concept, seed=seed)
    if not np.isin(hit, (0, 1)).all():  # Averaged over languages, so no trials.
        return cluster_estimate(hit, np.arange(len(hit)), seed=seed)
    share = float(hit.mean()) if len(hit) else float("nan")
    return Estimate(share, *wilson_interval(int(hit.sum()), len(hit)))


def zero_shot_result(
    by_language: Mapping[str, ZeroShot],
    concept: Integer[np.ndarray, " n"] | None,
    groups: Mapping[str, Shaped[np.ndarray, " n"]],
    *,
    seed: int,
    headline: str = "en",
) -> dict[str, Any]:
    """Top-1 and top-5 in the headline language, over all languages, and in groups of pictures.

    Args:
      by_language: one classification of the same pictures for each language.
      concept: of each picture, for the intervals; None as in `accuracies`.
      groups: what to split the pictures by, such as {"categories": (n,) str}.

    Returns: `{"top1", "top5", "ceiling", "chance"}` in the headline language;
      `"mean_over_languages"`;
      `"languages"` and one entry for each of `groups`, each by name with its top-1 and top-5 (in
      groups: in the headline language, `"mean_over_languages"` beside it, and `"n"`).
    """
    headline = headline if headline in by_language else next(iter(by_language))
    ranks = {language: answer.ranks for language, answer in by_language.items()}
    stacked = np.stack(list(ranks.values()))
    result: dict[str, Any] = {
        "headline_language": headline,
        **accuracies(ranks[headline], concept, seed=seed),
        "ceiling": by_language[headline].ceiling,
        "chance": by_language[headline].chance,
        "mean_over_languages": accuracies(stacked, concept, seed=seed),
        "languages": {
            language: accuracies(ranks[language], concept, seed=seed) | {"ceiling": answer.ceiling}
            for language, answer in by_language.items()
        },
    }
    for group, values in groups.items():
        result[group] = {}
        for value in np.unique(values):
            result[group][str(value)] = of_some(by_language, values == value, concept, seed=seed)
    return result


def of_some(
    by_language: Mapping[str, ZeroShot],
    some: Bool[np.ndarray, " n"],
    concept: Integer[np.ndarray, " n"] | None,
    *,
    seed: int,
    headline: str = "en",
) -> dict[str, Any]:
    """Results of some of the pictures: `{"n", "top1", "top5", "mean_over_languages"}`.

    Args:
      some: which pictures.
      by_language, concept, headline: as of `zero_shot_result`.
    """
    headline = headline if headline in by_language else next(iter(by_language))
    clusters = None if concept is None else concept[some]
    stacked = np.stack([answer.ranks[some] for answer in by_language.values()])
    return {
        "n": int(some.sum()),
        **accuracies(by_language[headline].ranks[some], clusters, seed=seed),
        "mean_over_languages": accuracies(stacked, clusters, seed=seed),
    }
