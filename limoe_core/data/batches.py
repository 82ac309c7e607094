"""Training batches: chosen from the seed alone, read by Grain in the background.

A batch may show a concept several times, or one picture under several names. What is then true of
a picture beside its own captions is told in the batch's labels, and the loss leaves it out.
"""

from __future__ import annotations

import dataclasses

import grain
import numpy as np
from jaxtyping import Bool, Float, Int32, Int64, Shaped

from limoe_core.config import Config, ConfigError
from limoe_core.data.negatives import pair_labels
from limoe_core.data.pairs import ConceptTable, PairSet
from limoe_core.data.shuffles import Shuffles
from limoe_core.tokenizer import Tokenizer

#: Key of the random stream of captions, which must be independent of others of the run.
_CAPTION = 0xCA97

_BATCHES_AHEAD = 8
_ENDLESS = 2**40


@dataclasses.dataclass(frozen=True)
class CaptionTable:
    """Token ids of every caption, made once.

    Row `start[c, l] + i` of `ids` is the i-th of the `count[c, l]` captions of concept c in
    language l; there are none in a language that the concept has no name in. Row `own[p]` is the
    caption of picture p alone, one more in the first language; -1 for none. `own` is empty where
    no picture has one.
    """

    ids: Int32[np.ndarray, "captions length"]
    start: Int32[np.ndarray, "c languages"]
    count: Int32[np.ndarray, "c languages"]
    own: Int32[np.ndarray, " n"]

    @classmethod
    def make(
        cls,
        concepts: ConceptTable,
        tokenizer: Tokenizer,
        length: int,
        own: Shaped[np.ndarray, " n"] | None = None,
    ) -> CaptionTable:
        """Tokenize all captions; the first language also has the aliases.

        Args:
          own: see `PairSet.caption`.
        """
        texts: list[str] = []
        start = np.zeros((len(concepts), len(concepts.names)), np.int32)
        count = np.zeros_like(start)
        for concept in range(len(concepts)):
            for place, language in enumerate(concepts.names):
                name = str(concepts.names[language][concept])
                found = [name] if name or place == 0 else []
                if place == 0:
                    found += concepts.aliases[concept]
                start[concept, place], count[concept, place] = len(texts), len(found)
                texts += found
        own = np.zeros(0, np.str_) if own is None else own
        further, row = np.unique(own, return_inverse=True)
        rows = np.where(own == "", -1, len(texts) + row).astype(np.int32)
        texts += further.tolist()
        return cls(tokenizer.encode(texts, length), start, count, rows)

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
        weights = _weights(self.count[concepts] > 0, english_share)
        turns = np.count_nonzero(weights, axis=1)
        language = _without_repeats(weights, captions, rng)
        start = self.start[concepts[:, None], language]
        shared = self.count[concepts[:, None], language]
        alone = pictures is not None and self.own.size
        own = (self.own[pictures] if alone else np.full(len(concepts), -1))[:, None]
        has_own = (language == 0) & (own >= 0)
        count = shared + has_own
        offset = (rng.random(count.shape) * count).astype(np.int32)
        if np.any(captions > turns):  # Languages repeat, in the order in which they were drawn.
            in_turn = _in_turn(count, turns, rng)
            offset = np.where(captions > turns[rows], in_turn, offset)
        return self.ids[np.where(has_own & (offset == shared), own, start + offset)]


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


class BatchSource:
    """Batches by number, as Grain reads them: random access over all epochs."""

    def __init__(
        self,
        pairs: PairSet,
        tokenizer: Tokenizer,
        config: Config,
        rows: Int64[np.ndarray, " r"] | None = None,
    ) -> None:
        self._pairs = pairs
        self._rows = rows
        self._data = config.data
        self._seed = config.train.seed
        _check(pairs, config.data.batch_size)
        self._chosen = Shuffles(len(pairs), config.data.batch_size, config.train.seed)
        self._captions = CaptionTable.make(
            pairs.concepts, tokenizer, config.model.text_length, pairs.caption
        )

    def __len__(self) -> int:
        return _ENDLESS

    def __getitem__(self, position: int) -> dict[str, np.ndarray]:
        """The batch at a place in the endless sequence of batches, from 0."""
        chosen = self._chosen[int(position)]
        concepts = self._pairs.concept[chosen]
        rng = np.random.default_rng((self._seed, _CAPTION, int(position)))
        texts = self._captions.draw(
            concepts, self._data.captions_per_image, self._data.english_share, rng, chosen
        )
        copies = chosen if self._pairs.copy is None else self._pairs.copy[chosen]
        return {
            "image": self._pairs.pictures.batch(
                chosen if self._rows is None else chosen[self._rows]
            ),
            "text": texts,
            "concept": concepts,
            "labels": pair_labels(concepts, copies, texts),
        }


def _check(pairs: PairSet, batch: int) -> None:
    """
    Raises:
      ConfigError: batches of that size cannot teach anything, or there are none.
    """
    if batch > len(pairs):
        raise ConfigError(
            f"data.batch_size {batch} is more than the {len(pairs)} pictures of the training data; "
            f"set it to at most {len(pairs)}"
        )
    if pairs.concept.min() == pairs.concept.max():
        only = pairs.concepts.keys[pairs.concept[0]]
        raise ConfigError(
            f"all {len(pairs)} pictures of the training data are of one class, {only}, so there is "
            "nothing to tell apart; add pictures of another"
        )


def training_batches(
    pairs: PairSet,
    tokenizer: Tokenizer,
    config: Config,
    rows: Int64[np.ndarray, " r"] | None = None,
) -> grain.DatasetIterator:
    """Endless training batches, made a few ahead by a background thread.

    Args:
      pairs: the training split.
      tokenizer: the run's tokenizer.
      config: its batch size, captions, seed and text length are used.
      rows: rows of a batch to read pictures for; all by default. Each of several processes reads
        its own, and all of them have every row's captions.

    Returns:
      an iterator of `{"image": uint8 (B or r, s, s, 4), "text": int32 (B, captions, length) filled
      up with 0, "concept": int32 (B,), "labels": int32 (B, 2 + captions), as `pair_labels` gives
      them}`. Its `get_state()` is JSON data with the number of batches taken; after `set_state`
      with it the same batches follow, bit for bit.

    Raises:
      ConfigError: there are fewer pictures than in a batch, or only one class.
    """
    source = BatchSource(pairs, tokenizer, config, rows)
    reading = grain.ReadOptions(num_threads=1, prefetch_buffer_size=_BATCHES_AHEAD)
    return iter(grain.MapDataset.source(source).to_iter_dataset(reading))
