"""What becomes of the captions of a split when a tokenizer cuts them to a length."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from limoe_core.data.pairs import TEXTS_IN_A_ROW, PairSet, spread
from limoe_core.data.texts import read
from limoe_core.tokenizer import PAD, Tokenizer

#: Longer captions than this many times the limit are told as at least so long.
_LOOKED_AT = 16
#: Concepts whose captions are counted, at most.
_MOST = 100_000


@dataclass(frozen=True)
class CaptionCounts:
    """Captions of a split, in all languages; of a large one those of some of its concepts."""

    captions: int
    """All that were looked at, equal ones as often as they come."""
    different: int
    empty: int
    cut: int
    """Different ones with more tokens than the limit."""
    longest: int
    """Tokens of the longest."""
    merged: int
    """Different ones that cutting makes equal to another."""
    limit: int
    """Most tokens of a caption."""
    concepts: int
    """Concepts whose captions were looked at."""

    @classmethod
    def of(
        cls, pairs: PairSet, tokenizer: Tokenizer, limit: int, at_most: int = _MOST
    ) -> CaptionCounts:
        """Counts the captions of a split.

        Args:
          limit: tokens that the model reads (`model.text_length`).
          at_most: of more concepts, or captions of single pictures, so many are looked at, spread
            evenly over all.
        """
        looked_at = pairs.shown[spread(len(pairs.shown), at_most, TEXTS_IN_A_ROW)]
        texts = Counter(pairs.concepts.captions_of(looked_at))
        if pairs.caption is not None:
            texts.update(
                filter(None, read(pairs.caption, spread(len(pairs), at_most, TEXTS_IN_A_ROW)))
            )
        different = list(texts)
        ids = tokenizer.encode(different, limit + 1)
        is_cut = ids[:, limit] != PAD
        rows = [row.tobytes() for row in ids[:, :limit]]
        copies = Counter(rows)
        merged = sum(copies[rows[place]] > 1 for place in np.flatnonzero(is_cut))
        long = [different[place] for place in np.flatnonzero(is_cut)]
        lengths = np.count_nonzero(ids, axis=1)
        if long:
            lengths = np.count_nonzero(tokenizer.encode(long, _LOOKED_AT * limit), axis=1)
        return cls(
            captions=texts.total(),
            different=len(different),
            empty=sum(count for text, count in texts.items() if not text.strip()),
            cut=len(long),
            longest=int(lengths.max(initial=0)),
            merged=merged,
            limit=limit,
            concepts=len(looked_at),
        )
