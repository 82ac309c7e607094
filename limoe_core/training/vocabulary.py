"""Embeddings of a new vocabulary from those of an old one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from jaxtyping import Int32

from limoe_core.tokenizer import PAD, Tokenizer

#: Pieces have up to 16 characters, of four bytes at most, and a word's beginning.
_MOST_PARTS = 65
_WORD = "▁"
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
#: Captions that are looked at for pieces that are bytes.
_LOOKED_AT = 10_000
#: Tokens of each that are looked at.
_LENGTH = 64


@dataclass(frozen=True)
class Descent:
    """Which old pieces the embedding of each new piece is the mean of.

    A piece that both vocabularies have keeps its embedding. A new one starts from the mean of the
    pieces that the old tokenizer reads its text as, and one without text has none.
    """

    old: Int32[np.ndarray, " m"]
    """Ids of old pieces, those of one new piece after another."""
    new: Int32[np.ndarray, " m"]
    """Id of the new piece that each is for; rising."""
    size: int
    """Pieces of the new vocabulary."""
    kept: int
    """Pieces that both have."""

    @classmethod
    def of(cls, old: Tokenizer, new: Tokenizer) -> Descent:
        """For every piece of `new`."""
        known = {piece: number for number, piece in enumerate(old.vocabulary)}
        pieces = new.vocabulary
        strange = [number for number, piece in enumerate(pieces) if piece not in known]
        parts = {
            number: np.array([known[piece]], np.int32)
            for number, piece in enumerate(pieces)
            if piece in known
        }
        parts |= dict(zip(strange, _read(old, [pieces[n] for n in strange]), strict=True))
        ordered = [parts[number] for number in range(len(pieces))]
        return cls(
            old=np.concatenate(ordered),
            new=np.repeat(np.arange(len(pieces), dtype=np.int32), list(map(len, ordered))),
            size=len(pieces),
            kept=len(pieces) - len(strange),
        )

    @property
    def sentence(self) -> str:
        """What becomes of the embeddings."""
        without = self.size - len(np.unique(self.new))
        made = self.size - self.kept - without
        rest = f", and {without:,} new" if without else ""
        return (
            f"embeddings of {self.kept:,} of {self.size:,} pieces are copied, and {made:,} are "
            f"means of the old pieces that their text was cut into{rest}"
        )


def _read(old: Tokenizer, pieces: Sequence[str]) -> list[Int32[np.ndarray, " p"]]:
    """Ids of the old pieces that the text of each piece is read as."""
    rows = old.encode([piece.replace(_WORD, " ").strip() for piece in pieces], _MOST_PARTS)
    # Every text is read as if a word began with it; a piece within a word has no such beginning.
    start = old.vocabulary.index(_WORD) if _WORD in old.vocabulary else PAD
    return [
        row[(row != PAD) & ((row != start) | piece.startswith(_WORD))]
        for row, piece in zip(rows, pieces, strict=True)
    ]


def strange_captions(tokenizer: Tokenizer, captions: Iterable[str]) -> tuple[int, int]:
    """How many captions hold characters that a vocabulary has only as bytes, and of how many.

    Args:
      captions: the first 10,000 of them are looked at.
    """
    texts = list(islice(captions, _LOOKED_AT))
    is_byte = np.array([bool(_BYTE.fullmatch(piece)) for piece in tokenizer.vocabulary])
    found = is_byte[tokenizer.encode(texts, _LENGTH)].any(axis=1)
    return int(found.sum()), len(texts)
