"""Training batches: chosen from the seed alone, read by Grain in the background.

A batch may show a concept several times, or one picture under several names. What is then true of
a picture beside its own captions is told in the batch's labels, and the loss leaves it out.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int32, Int64

from limoe_core.config import Config, ConfigError
from limoe_core.data.caption_table import CaptionTable
from limoe_core.data.negatives import pair_labels
from limoe_core.data.packing import pack_groups, window_numbers
from limoe_core.data.pairs import PairSet
from limoe_core.data.reading import Batches
from limoe_core.data.shuffles import MixedShuffles, Shuffles
from limoe_core.tokenizer import Tokenizer

#: Key of the random stream of captions, which must be independent of others of the run.
_CAPTION = 0xCA97
#: Batches whose captions are looked at, to know how many windows they need.
_SAMPLES = 8
#: Seed of these batches: runs that differ in theirs alone share what is compiled.
_SAMPLED = 0
_ENDLESS = 2**40


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
        self._chosen = _order(pairs, config, self._seed)
        self._captions = CaptionTable(
            pairs.concepts, tokenizer, config.model.text_length, pairs.caption
        )
        self._groups = config.train.groups
        sampled = _order(pairs, config, _SAMPLED)
        samples = [self._in_groups(self._draw(sampled[at], at, _SAMPLED)) for at in range(_SAMPLES)]
        self.windows = window_numbers(samples)
        """Numbers of windows that the captions of a routing group may have."""

    def __len__(self) -> int:
        return _ENDLESS

    def __getitem__(self, position: int) -> dict[str, np.ndarray]:
        """The batch at a place in the endless sequence of batches, from 0."""
        chosen = self._chosen[int(position)]
        concepts = self._pairs.concept[chosen]
        texts = self._draw(chosen, int(position), self._seed)
        copies = chosen if self._pairs.copy is None else self._pairs.copy[chosen]
        return {
            "image": self._pairs.pictures.batch(
                chosen if self._rows is None else chosen[self._rows]
            ),
            "text": texts,
            "concept": concepts,
            "labels": pair_labels(concepts, copies, texts),
            "windows": pack_groups(self._in_groups(texts), self.windows),
        }

    def _draw(
        self, chosen: Int32[np.ndarray, " b"], position: int, seed: int
    ) -> Int32[np.ndarray, "b captions length"]:
        """Captions of a batch."""
        rng = np.random.default_rng((seed, _CAPTION, position))
        settings = self._data
        return self._captions.draw(
            self._pairs.concept[chosen],
            settings.captions_per_image,
            settings.english_share,
            rng,
            chosen,
        )

    def _in_groups(
        self, texts: Int32[np.ndarray, "b captions length"]
    ) -> Int32[np.ndarray, "G b/G captions length"]:
        return texts.reshape(self._groups, -1, *texts.shape[1:])


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


def _order(pairs: PairSet, config: Config, seed: int) -> Shuffles | MixedShuffles:
    """
    Raises:
      ConfigError: one of two parts cannot have its share of a batch.
    """
    size, share = config.data.batch_size, config.data.first_share
    if not share:
        return Shuffles(len(pairs), size, seed)
    if pairs.part is None:
        raise ConfigError(
            f"data.first_share is for two sets that are shown together, and {pairs.name} is one; "
            "leave it out"
        )
    parts = [np.flatnonzero(pairs.part == part) for part in (0, 1)]
    first = round(share * size)
    places = (first, size - first)
    for part, count in zip(parts, places, strict=True):
        if not 0 < count <= len(part):
            raise ConfigError(
                f"data.first_share {share:g} asks for {count} pictures of a set that has "
                f"{len(part):,} in every batch of {size}; choose another share"
            )
    return MixedShuffles(parts, places, seed)


def training_batches(
    pairs: PairSet,
    tokenizer: Tokenizer,
    config: Config,
    rows: Int64[np.ndarray, " r"] | None = None,
    workers: int = 0,
) -> Batches:
    """Endless training batches, made a few ahead.

    Args:
      pairs: the training split.
      tokenizer: the run's tokenizer.
      config: its batch size, captions, seed, routing groups and text length are used.
      rows: rows of a batch to read pictures for; all by default. Each of several processes reads
        its own, and all of them have every row's captions.
      workers: see `Batches`.

    Returns:
      an iterator of `{"image": uint8 (B or r, s, s, 4), "text": int32 (B, captions, length) filled
      up with 0, "concept": int32 (B,), "labels": int32 (B, 2 + captions), as `pair_labels` gives
      them, "windows": int32 (groups, R, length), as `pack_groups` gives them}`.

    Raises:
      ConfigError: there are fewer pictures than in a batch, or only one class.
    """
    return Batches(BatchSource(pairs, tokenizer, config, rows), workers)
