"""What the splits of the built-in data sets are, in plain words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

#: What training knew of the pictures of a split.
_IN_WORDS = {
    "test_style": "a trained concept in an art style that training left out",
    "test_concept": "a concept that training never saw",
    "test_both": "a concept and a style that training never saw",
    "validation": "a concept that training never saw",
}


def in_words(split: str) -> str:
    """What the split is; its name where that is all that is known."""
    return _IN_WORDS.get(split, f"split {split}")


def summary(splits: Sequence[str]) -> str:
    """How many pictures are of what, as in "36: a trained concept …; 12: a concept …"."""
    counts = Counter(map(in_words, splits))
    return "; ".join(f"{count:,}: {words}" for words, count in counts.items())
