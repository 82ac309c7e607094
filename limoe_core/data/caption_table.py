"""Captions of training batches: drawn by language, and tokenized when they are drawn."""

from __future__ import annotations

import functools

import numpy as np
from jaxtyping import Bool, Float, Int32, Int64

from limoe_core.data.pairs import ConceptTable
from limoe_core.data.texts import TextArray, read, read_lists
from limoe_core.tokenizer import Tokenizer

#: Texts whose tokens are remembered: all of a set with few texts, which come again in every epoch.
_REMEMBERED = 100_000


class CaptionTable:
    """Draws captions of concepts. Of a large set no text is read before it is drawn."""

    def __init__(
        self,
        concepts: ConceptTable,
        tokenizer: Tokenizer,
        length: int,
        own: TextArray | None = None,
    ) -> None:
        """
        Args:
          length: tokens of a caption.
          own: see `PairSet.caption`.
        """
        self._concepts, self._tokenizer, self._length, self._own = concepts, tokenizer, length, own
        self._languages = list(concepts.names)
        self._tokens = functools.lru_cache(_REMEMBERED)(self._tokenized)

    def __reduce__(self) -> tuple[type[CaptionTable], tuple[object, ...]]:
        return CaptionTable, (self._concepts, self._tokenizer, self._length, self._own)

    def draw(
        self,
        concepts: Int32[np.ndarray, " b"],
        captions: int,
        english_share: float,
        rng: np.random.Generator,
        pictures: Int32[np.ndarray, " b"] | None = None,
    ) -> Int32[np.ndarray, "b captions length"]:
        """Captions of each picture, in different languages as long as there are enough.

        The first language (English) is drawn with probability `english_share`, the others that the
        concept has share the rest evenly; within a language all captions are equally likely, and
        none repeats before all have been drawn.

        Args:
          concepts: concept of each picture.
          pictures: index of each picture, for its own caption; None to leave these out.
        """
        rows = np.arange(len(concepts))[:, None]
        # The first language has more than its name: aliases, and then a picture's own caption.
        first = [list(found) for found in read_lists(self._concepts.aliases, concepts)]
        if self._own is not None and pictures is not None:
            for found, text in zip(first, read(self._own, pictures), strict=True):
                found += [text] if text else []
        count = np.stack(
            [self._concepts.is_named(concepts, each) for each in self._languages], axis=1
        ).astype(np.int32)
        count[:, 0] += np.array([len(found) for found in first], np.int32)
        weights = _weights(count > 0, english_share)
        turns = np.count_nonzero(weights, axis=1)
        language = _without_repeats(weights, captions, rng)
        count = count[rows, language]
        offset = (rng.random(count.shape) * count).astype(np.int32)
        if np.any(captions > turns):  # Languages repeat, in the order in which they were drawn.
            in_turn = _in_turn(count, turns, rng)
            offset = np.where(captions > turns[rows], in_turn, offset)
        return self._read(concepts, first, language, offset)

    def _read(
        self,
        concepts: Int32[np.ndarray, " b"],
        first: list[list[str]],
        language: Int64[np.ndarray, "b captions"],
        offset: Int32[np.ndarray, "b captions"],
    ) -> Int32[np.ndarray, "b captions length"]:
        """Tokens of the captions that were drawn: 0 is the name, others count from `first` on."""
        out = np.empty((*language.shape, self._length), np.int32)
        for number, name in enumerate(self._languages):
            row, place = np.nonzero((language == number) & (offset == 0))
            if len(row):
                texts = read(self._concepts.names[name], concepts[row])
                out[row, place] = [self._tokens(text) for text in texts]
        row, place = np.nonzero(offset)
        if len(row):
            further = zip(row.tolist(), offset[row, place].tolist(), strict=True)
            out[row, place] = [self._tokens(first[at][number - 1]) for at, number in further]
        return out

    def _tokenized(self, text: str) -> Int32[np.ndarray, " length"]:
        return self._tokenizer.encode([text], self._length)[0]


def _weights(
    spoken: Bool[np.ndarray, "rows languages"], english_share: float
) -> Float[np.ndarray, "rows languages"]:
    """Probability of each language in each row; the first one alone where nothing else is."""
    others = np.count_nonzero(spoken, axis=1, keepdims=True) - 1
    weights = np.where(spoken, (1 - english_share) / np.maximum(1, others), 0.0)
    weights[:, 0] = np.where(others[:, 0] > 0, english_share, 1.0)
    return weights


def _without_repeats(
    weights: Float[np.ndarray, "rows options"], draws: int, rng: np.random.Generator
) -> Int64[np.ndarray, "rows draws"]:
    """Options drawn by weight, without replacement within a row.

    They repeat once all are drawn; the first draw has exactly these probabilities. By the Gumbel
    trick: sorting log-weights plus Gumbel noise draws one after another without replacement.
    """
    with np.errstate(divide="ignore"):
        scores = np.log(weights) + rng.gumbel(size=weights.shape)
    ranked = np.argsort(-scores, axis=1, kind="stable")
    possible = np.count_nonzero(weights, axis=1)[:, None]
    return np.take_along_axis(ranked, np.arange(draws) % possible, axis=1)


def _in_turn(
    count: Int32[np.ndarray, "rows draws"],
    turns: Int64[np.ndarray, " rows"],
    rng: np.random.Generator,
) -> Int32[np.ndarray, "rows draws"]:
    """Caption index of each draw within its language.

    Languages repeat every `turns` draws. The captions of a language are shuffled once per row and
    then taken one after another.
    """
    rows, draws = count.shape
    most = min(int(turns.max()), draws)
    keys = rng.random((rows, most, int(count.max())))
    there = np.arange(keys.shape[-1]) < count[:, :most, None]
    shuffled = np.argsort(np.where(there, keys, np.inf), axis=-1)
    place, turn = np.arange(draws), turns[:, None]
    row = np.arange(rows)[:, None]
    # A row that has more languages than draws takes each but once.
    return shuffled[row, place % turn % most, (place // turn) % count].astype(np.int32)
