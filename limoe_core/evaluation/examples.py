"""Pictures that go along with an evaluated run, so that its model can be tried anywhere."""

from __future__ import annotations

import numpy as np

from limoe_core.config import DataConfig
from limoe_core.data.pairs import PairSet
from limoe_core.data.registry import data_set
from limoe_core.data.source import load_pairs
from limoe_core.runs import Run

#: Pictures of the first of the splits that training never sees, and of each other one.
_OF_FIRST, _OF_OTHERS = 36, 6


def keep_examples(run: Run, config: DataConfig, side: int) -> bool:
    """Stores some pictures of the splits that training never sees in the run.

    Most are of the first of these splits: of emoji, concepts that training knew, in an art style
    that it did not see them in. From each category in turn, each concept once. Returns False, and
    stores nothing, where the run has some or the data set has no such split.

    Args:
      config: the data set that the run was trained on.
      side: pixels of a stored picture.

    Raises:
      ConfigError: the data set is not on this machine.
      OSError: the run cannot be written.
    """
    splits = data_set(config).unseen
    if run.has("examples") or not splits:
        return False
    pictures = []
    known: dict[str, list[str]] = {
        name: [] for name in ("key", "name", "category", "style", "split")
    }
    for place, split in enumerate(splits):
        pairs = load_pairs(config, split, build=False, progress=False, side=side)
        chosen = _spread(pairs, _OF_OTHERS if place else _OF_FIRST)
        if not len(chosen):
            continue
        pictures.append(pairs.pictures.batch(chosen))
        concept = pairs.concept[chosen]
        first = next(iter(pairs.concepts.names))
        known["key"] += map(str, pairs.concepts.keys[concept])
        known["name"] += map(str, pairs.concepts.names[first][concept])
        known["category"] += map(str, pairs.category[chosen])
        known["style"] += map(str, pairs.style[chosen])
        known["split"] += [split] * len(chosen)
    if not pictures:
        return False
    run.save_examples(np.concatenate(pictures), known)
    return True


def _spread(pairs: PairSet, count: int) -> np.ndarray:
    """At most `count` pictures, from each category in turn, of different concepts."""
    order = np.random.default_rng(0).permutation(len(pairs))
    _, first = np.unique(pairs.concept[order], return_index=True)
    order = order[np.sort(first)]
    turn = np.zeros(len(order), np.int64)
    for category in np.unique(pairs.category[order]):
        mine = pairs.category[order] == category
        turn[mine] = np.arange(mine.sum())
    return np.sort(order[np.argsort(turn, kind="stable")][:count])
