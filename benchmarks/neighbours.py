"""What looking alike reaches: the nearest training picture's name, for pictures of a test split.

    python -m benchmarks.neighbours --name emoji --split test_style

It is a baseline for pictures of known concepts, to be stated beside zero-shot accuracy. It is told
more than the model is, since it has the name of every training picture at hand, and less, since
nothing in it is learned. On concepts that training never shows it finds nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import tyro
from jaxtyping import Float, Integer, UInt8

from limoe_core.config import DataConfig
from limoe_core.data.pairs import PairSet, PictureStore
from limoe_core.data.source import load_pairs
from limoe_core.evaluation.scoring import TOP, accuracies

#: Pictures that are described, or compared with all others, at a time.
_AT_ONCE = 512
#: Side of a cell of the histograms of gradients, in pixels; directions; and side of a colour cell.
_CELL, _DIRECTIONS, _COLOUR = 8, 9, 12
#: Weight of colour beside the shape of edges, of unit vectors each.
_COLOUR_WEIGHT = 0.5
_SMALL = 18


@dataclass(frozen=True)
class Options:
    """Top-1 and top-5 of the nearest training pictures, by pixels and by edges and colour."""

    name: str = "emoji"
    """Data set; of `emoji+icons` name a split such as `emoji_test_style`."""
    split: str = "test_style"
    config: str = "auto"
    dir: str | None = None
    seed: int = 0
    """Of the bootstrap."""


def on_white(pictures: UInt8[np.ndarray, "n s s 4"]) -> Float[np.ndarray, "n s s 3"]:
    """Pictures on a white ground, from 0 to 1."""
    pixels = pictures.astype(np.float32) / 255
    opacity = pixels[..., 3:]
    return pixels[..., :3] * opacity + 1 - opacity


def _cells(values: Float[np.ndarray, "n s s c"], side: int) -> Float[np.ndarray, "n k k c"]:
    """Means over square cells."""
    n, size, _, channels = values.shape
    k = size // side
    cut = values[:, : k * side, : k * side]
    return cut.reshape(n, k, side, k, side, channels).mean(axis=(2, 4))


def _unit(rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-6)


def by_pixels(pictures: UInt8[np.ndarray, "n s s 4"]) -> Float[np.ndarray, "n d"]:
    """The picture itself, made small; distances of unit vectors about its mean."""
    small = _cells(on_white(pictures), max(1, pictures.shape[1] // _SMALL))
    rows = small.reshape(len(small), -1)
    return _unit(rows - rows.mean(axis=1, keepdims=True))


def by_edges_and_colour(pictures: UInt8[np.ndarray, "n s s 4"]) -> Float[np.ndarray, "n d"]:
    """Histograms of gradients (Dalal and Triggs, 2005) and mean colours by place.

    Directions have no sign, so light on dark is as dark on light. A cell's histogram is divided by
    the norm of those around it.
    """
    pixels = on_white(pictures)
    grey = pixels.mean(axis=-1)
    down, right = np.gradient(grey, axis=(1, 2))
    strength = np.hypot(down, right)
    turn = np.arctan2(down, right) % np.pi / np.pi * _DIRECTIONS
    lower = np.floor(turn).astype(int) % _DIRECTIONS
    share = turn - np.floor(turn)
    votes = np.zeros((*grey.shape, _DIRECTIONS), np.float32)
    np.put_along_axis(votes, lower[..., None], (strength * (1 - share))[..., None], axis=-1)
    upper = (lower + 1) % _DIRECTIONS
    np.put_along_axis(votes, upper[..., None], (strength * share)[..., None], axis=-1)
    histograms = _cells(votes, _CELL)
    power = np.square(histograms).sum(axis=-1, keepdims=True)
    padded = np.pad(power, ((0, 0), (1, 1), (1, 1), (0, 0)))
    side = histograms.shape[1]
    around = sum(padded[:, i : i + side, j : j + side] for i in range(3) for j in range(3))
    edges = np.sqrt(histograms / np.sqrt(around + 1e-4))
    colour = _cells(pixels, _COLOUR) - 1
    parts = [_unit(part.reshape(len(part), -1)) for part in (edges, colour)]
    return np.concatenate([parts[0], _COLOUR_WEIGHT * parts[1]], axis=1)


FEATURES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "pixels": by_pixels,
    "edges and colour": by_edges_and_colour,
}


def described(
    store: PictureStore, features: Callable[[np.ndarray], np.ndarray]
) -> Float[np.ndarray, "n d"]:
    """Features of all pictures of a store."""
    parts = [features(store.batch(places)) for places in _batches(len(store))]
    return np.concatenate(parts).astype(np.float32)


def _batches(count: int) -> Iterator[np.ndarray]:
    for start in range(0, count, _AT_ONCE):
        yield np.arange(start, min(start + _AT_ONCE, count))


def ranks(
    test: Float[np.ndarray, "n d"],
    name: Integer[np.ndarray, " n"],
    train: Float[np.ndarray, "m d"],
    known: Integer[np.ndarray, " m"],
) -> Integer[np.ndarray, " n"]:
    """How many wrong names have a nearer training picture than the right one.

    Args:
      name, known: numbers of the names; a name that is not known has as many before it as there
        are names.
    """
    names, member = np.unique(known, return_inverse=True)
    order = np.argsort(member, kind="stable")
    starts = np.searchsorted(member[order], np.arange(len(names)))
    squares = np.square(train).sum(axis=1)
    place = np.searchsorted(names, name).clip(max=len(names) - 1)
    there = names[place] == name
    found = np.full(len(test), len(names))
    for rows in _batches(len(test)):
        near = 2 * test[rows] @ train.T - squares
        best = np.maximum.reduceat(near[:, order], starts, axis=1)
        own = np.take_along_axis(best, place[rows, None], axis=1)
        found[rows] = np.where(there[rows], (best > own).sum(axis=1), len(names))
    return found


def baselines(train: PairSet, test: PairSet, *, seed: int = 0) -> dict[str, dict[str, dict]]:
    """`{features: {"top1": {"value", "low", "high"}, "top5": …}}`, intervals resampling concepts.

    A name counts as right whichever concept has it, as in zero-shot accuracy.
    """

    def names(pairs: PairSet) -> np.ndarray:
        own = np.asarray(pairs.concepts.names[pairs.concepts.first_language])[pairs.concept]
        return np.char.lower(own.astype(np.str_))

    _, number = np.unique(np.concatenate([names(train), names(test)]), return_inverse=True)
    known, asked = number[: len(train)], number[len(train) :]
    return {
        kind: accuracies(
            ranks(
                described(test.pictures, features),
                asked,
                described(train.pictures, features),
                known,
            ),
            test.concept,
            seed=seed,
        )
        for kind, features in FEATURES.items()
    }


def main() -> int:
    """The command line. Returns the exit code."""
    options = tyro.cli(Options)
    config = DataConfig(name=options.name, config=options.config, dir=options.dir)
    train, test = load_pairs(config, "train"), load_pairs(config, options.split)
    print(f"{test.name}, {options.split}: {len(test):,} pictures, {len(train):,} of training")
    for kind, found in baselines(train, test, seed=options.seed).items():
        told = [
            f"top-{k} {found[f'top{k}']['value']:.1%} "
            f"({found[f'top{k}']['low']:.1%} to {found[f'top{k}']['high']:.1%})"
            for k in TOP
        ]
        print(f"nearest by {kind}: {', '.join(told)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
