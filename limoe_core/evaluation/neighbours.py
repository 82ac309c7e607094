"""What needs no model: the labelled picture that is nearest in pixels, or in edges and colour.

It is asked of splits whose concepts training knows, in other drawings. It has an easier task than a
model that is given names alone, since it sees labelled pictures of every class; all the same a
model that stays below it knows less of pictures than their outlines and colours say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Integer, UInt8

from limoe_core.evaluation.embedding import Progress, silent
from limoe_core.evaluation.intervals import target_ranks
from limoe_core.evaluation.scoring import accuracies, labels_of

if TYPE_CHECKING:
    from limoe_core.data.pairs import PairSet, PictureStore

#: Labelled pictures, at most; of more, equally many of each concept are taken, and at least one.
MOST_LABELLED = 200_000
_PIXELS, _OUTLINES, _COLOURS = 32, 64, 8  # sides of the pictures that features are made of
_ORIENTATIONS, _CELL, _BLOCK = 9, 8, 2
_AT_ONCE = 512

Features = Callable[[Float[np.ndarray, "n s s 3"]], Float[np.ndarray, "n f"]]


def nearest_pictures(
    pairs: PairSet,
    labelled: PairSet,
    language: str,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Top-1 and top-5 of the nearest labelled pictures, by kind of features.

    A class is as near as its nearest picture; what counts as right is as for the model, the name.

    Args:
      pairs: the pictures that are asked.
      labelled: pictures of every concept of these, and of others.
      language: in which names count.

    Returns: `{"pixels": {"top1", "top5"}, "hog_colour": {…}}`, ready for JSON, with 95 % intervals
      that resample concepts.
    """
    places = some_of_each(labelled.concept, MOST_LABELLED, seed)
    classes, of_class = np.unique(labelled.concept[places], return_inverse=True)
    order = np.argsort(of_class, kind="stable")
    places, of_class = places[order], of_class[order]
    names = np.asarray(pairs.concepts.names_in(language))
    label_of_class, label_of_picture = labels_of(classes, names[classes], pairs.concept)
    found = {}
    for name, features in FEATURES.items():
        everything = np.arange(len(pairs))
        of_asked = _features(
            pairs.pictures, everything, features, f"{name} of {pairs.split}", progress
        )
        asked = np.concatenate([part for _, part in of_asked])
        of_known = _features(labelled.pictures, places, features, f"{name} of training", progress)
        nearness = np.full((len(pairs), len(classes)), -np.inf, np.float32)
        for start, known in of_known:
            _draw_near(nearness, asked, known, of_class[start : start + len(known)])
        ranks = target_ranks(nearness, label_of_picture[:, None] == label_of_class)
        found[name] = accuracies(ranks, pairs.concept, seed=seed)
    return found


def some_of_each(
    concept: Integer[np.ndarray, " n"], most: int, seed: int
) -> Integer[np.ndarray, " m"]:
    """Places of pictures in rising order: all, or of each concept equally many, at random."""
    if len(concept) <= most:
        return np.arange(len(concept))
    mixed = np.random.default_rng(seed).permutation(len(concept))
    order = mixed[np.argsort(concept[mixed], kind="stable")]
    _, first, count = np.unique(concept[order], return_index=True, return_counts=True)
    rank = np.arange(len(order)) - np.repeat(first, count)
    return np.sort(order[rank < max(1, most // len(first))])


def can_be_asked(pairs: PairSet, labelled: PairSet) -> bool:
    """Whether every concept of the pictures has a labelled picture."""
    return bool(np.isin(pairs.shown, labelled.shown).all())


def _features(
    pictures: PictureStore,
    places: Integer[np.ndarray, " n"],
    features: Features,
    label: str,
    progress: Progress,
) -> Iterator[tuple[int, Float[np.ndarray, "m f"]]]:
    """Features of some pictures after others, each time with the number of those before."""
    for start in progress(label, range(0, len(places), _AT_ONCE)):
        some = _on_white(pictures.batch(places[start : start + _AT_ONCE]))
        yield start, features(some).astype(np.float32)


def _draw_near(
    nearness: Float[np.ndarray, "n c"],
    asked: Float[np.ndarray, "n f"],
    known: Float[np.ndarray, "m f"],
    of_class: Integer[np.ndarray, " m"],
) -> None:
    """Raises minus the squared distance to each class's nearest picture, by some more of them.

    Args:
      of_class: classes of the pictures, in rising order.
    """
    classes, starts = np.unique(of_class, return_index=True)
    size = np.sum(known**2, axis=1)
    for start in range(0, len(asked), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        some = asked[rows]
        distance = size - 2 * some @ known.T + np.sum(some**2, axis=1, keepdims=True)
        nearest = -np.minimum.reduceat(distance, starts, axis=1)
        nearness[rows, classes] = np.maximum(nearness[rows, classes], nearest)


def _on_white(pictures: UInt8[np.ndarray, "n s s 4"]) -> Float[np.ndarray, "n s s 3"]:
    """RGB in [0, 1]."""
    alpha = pictures[..., 3:].astype(np.float32) / 255
    return pictures[..., :3] / 255 * alpha + 1 - alpha


def _resized(pictures: Float[np.ndarray, "n s s 3"], side: int) -> Float[np.ndarray, "n t t 3"]:
    """Means over a grid of `side` by `side` areas of equal size."""
    old = pictures.shape[1]
    edges = np.linspace(0, old, side + 1)
    weights = np.clip(
        np.minimum(edges[1:, None], np.arange(1, old + 1))
        - np.maximum(edges[:-1, None], np.arange(old)),
        0,
        None,
    )
    weights = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    rows = np.tensordot(pictures, weights, (1, 1))  # n, columns, colours, rows
    return np.tensordot(rows, weights, (1, 1)).transpose(0, 2, 3, 1)


def pixels(pictures: Float[np.ndarray, "n s s 3"]) -> Float[np.ndarray, "n f"]:
    """Red, green and blue of 32 by 32 pixels."""
    return _resized(pictures, _PIXELS).reshape(len(pictures), -1)


def hog_colour(pictures: Float[np.ndarray, "n s s 3"]) -> Float[np.ndarray, "n f"]:
    """Histograms of oriented gradients of 64 by 64 pixels, and colours of 8 by 8 areas.

    Each at unit length, so that both count alike.
    """
    grey = _resized(pictures, _OUTLINES) @ np.array([0.299, 0.587, 0.114], np.float32)
    colours = _resized(pictures, _COLOURS).reshape(len(pictures), -1)
    return np.concatenate([_unit(hog(grey)), _unit(colours)], axis=1)


FEATURES: dict[str, Features] = {"pixels": pixels, "hog_colour": hog_colour}
"""Kinds of features, by the name of their result."""


def _unit(values: Float[np.ndarray, "n f"]) -> Float[np.ndarray, "n f"]:
    return values / np.linalg.norm(values, axis=1, keepdims=True).clip(1e-12)


def hog(grey: Float[np.ndarray, "n s s"]) -> Float[np.ndarray, "n f"]:
    """Histograms of oriented gradients (Dalal and Triggs, 2005).

    Nine orientations in cells of 8 by 8 pixels, blocks of 2 by 2 cells, L2-Hys; the numbers that
    `skimage.feature.hog` gives for these settings.
    """
    down, right = np.zeros_like(grey), np.zeros_like(grey)
    down[:, 1:-1] = grey[:, 2:] - grey[:, :-2]
    right[:, :, 1:-1] = grey[:, :, 2:] - grey[:, :, :-2]
    strength = np.hypot(down, right)
    turn = np.rad2deg(np.arctan2(down, right)) % 180
    bins = np.minimum((turn / (180 / _ORIENTATIONS)).astype(int), _ORIENTATIONS - 1)
    cells = grey.shape[1] // _CELL
    used = np.arange(cells * _CELL) // _CELL
    cell = (np.arange(len(grey))[:, None, None] * cells + used[:, None]) * cells + used
    inside = np.s_[:, : cells * _CELL, : cells * _CELL]
    histograms = (
        np.bincount(
            (cell * _ORIENTATIONS + bins[inside]).reshape(-1),
            weights=strength[inside].reshape(-1),
            minlength=len(grey) * cells * cells * _ORIENTATIONS,
        ).reshape(-1, cells, cells, _ORIENTATIONS)
        / _CELL**2
    )
    blocks = cells - _BLOCK + 1
    windows = np.stack(
        [
            histograms[:, row : row + blocks, column : column + blocks]
            for row in range(_BLOCK)
            for column in range(_BLOCK)
        ],
        axis=3,
    ).reshape(len(grey), blocks, blocks, -1)
    clipped = np.minimum(_block_unit(windows), 0.2)
    return _block_unit(clipped).reshape(len(grey), -1)


def _block_unit(blocks: Float[np.ndarray, "n b b f"]) -> Float[np.ndarray, "n b b f"]:
    return blocks / np.sqrt(np.sum(blocks**2, axis=-1, keepdims=True) + 1e-5**2)
