"""What the splits of the built-in data sets are, in plain words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from limoe_core.data.registry import data_set
from limoe_core.runs import Run

#: What training knew of the pictures of a split.
_IN_WORDS = {
    "test_style": "a trained concept in an art style that training left out",
    "test_set": "a trained concept drawn by a set that training left out",
    "test_concept": "a concept that training never saw",
    "test_both": "a concept and a style that training never saw",
    "validation_style": "a trained concept in an art style that training left out",
    "validation": "a concept that training never saw",
}
#: A split as such, or of one of the sets that are shown together, as `emoji_test_style`.
_SPLIT = re.compile(rf"(?:([a-z]+)_)?({'|'.join(_IN_WORDS)})")


def in_words(split: str) -> str:
    """What the split is; its name where that is all that is known."""
    found = _SPLIT.fullmatch(split)
    if found is None:
        return f"split {split}"
    words = _IN_WORDS[found[2]]
    return f"{found[1]}: {words}" if found[1] else words


def summary(splits: Sequence[str]) -> str:
    """How many pictures are of what, as in "36: a trained concept …; 12: a concept …"."""
    counts = Counter(map(in_words, splits))
    return "; ".join(f"{count:,}: {words}" for words, count in counts.items())


def asked_of(run: Run) -> tuple[str, ...]:
    """Splits of the run's own data set that an evaluation asks, those of learned concepts first."""
    return tuple(data_set(run.config.data).tasks)
