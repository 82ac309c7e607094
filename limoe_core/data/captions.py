"""What becomes of the captions of a split when a tokenizer cuts them to a length."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from limoe_core.data.pairs import PairSet
from limoe_core.tokenizer import PAD, Tokenizer

#: Longer captions than this many times the limit are told as at least so long.
_LOOKED_AT = 16


@dataclass(frozen=True)
class CaptionCounts:
    """Captions of a split, in all languages."""

    captions: int
    """All of them, equal ones as often as they come."""
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

    @classmethod
    def of(cls, pairs: PairSet, tokenizer: Tokenizer, limit: int) -> CaptionCounts:
        """Counts the captions of a split.

        Args:
          limit: tokens that the model reads (`model.text_length`).
        """
        table = pairs.concepts
        shown = np.unique(pairs.concept).tolist()
        texts = Counter(
            str(table.names[language][concept])
            for concept in shown
            for language in table.languages_of(concept)
        )
        texts.update(alias for concept in shown for alias in table.aliases[concept])
        if pairs.caption is not None:
            texts.update(text for text in pairs.caption.tolist() if text)
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
        )
