"""Settings that are lowered to what a small set of the user's own pairs has."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace

from limoe_core.config import Config
from limoe_core.data.pairs import PairSet
from limoe_core.tokenizer import Tokenizer

#: Settings that may be lowered, where the user has not given them.
LOWERED = ("data.batch_size", "model.vocab_size")
#: The smallest vocabulary that a model may have; see `ModelConfig`.
_LEAST_PIECES = 261


@dataclass(frozen=True)
class Fitted:
    """Settings that fit the data, and what was changed."""

    config: Config
    tokenizer: Tokenizer | None
    """Of the lowered vocabulary; None if that was not to be lowered."""
    told: list[str]
    """What was lowered and why, in sentences."""

    @classmethod
    def to(cls, train: PairSet, config: Config, lower: Collection[str], devices: int) -> Fitted:
        """The settings, with the batch and the vocabulary no larger than the data allows.

        Args:
          train: the training split.
          lower: those of `LOWERED` that may be lowered.
          devices: that a batch is shared out to.

        Raises:
          ConfigError: no tokenizer can be trained.
        """
        told: list[str] = []
        if "data.batch_size" in lower:
            config = _smaller_batch(train, config, devices, told)
        tokenizer = None
        if "model.vocab_size" in lower:
            asked = config.model.vocab_size
            tokenizer = Tokenizer.train(train.captions(), asked, at_most=True)
            found = max(tokenizer.vocab_size, _LEAST_PIECES)
            if found < asked:
                told.append(
                    f"the vocabulary is lowered from {asked:,} to {found:,} pieces, which is all "
                    "that its texts give (--model.vocab-size)"
                )
                config = replace(config, model=replace(config.model, vocab_size=found))
        return cls(config, tokenizer, told)


def _smaller_batch(train: PairSet, config: Config, devices: int, told: list[str]) -> Config:
    asked, pictures = config.data.batch_size, len(train)
    groups, block = config.train.groups, config.loss.contrastive_block or 1
    # As batches are cut into groups and blocks, and shared out to devices.
    unit = math.lcm(groups if groups % devices == 0 else groups * devices, block)
    found = pictures // unit * unit
    if found >= asked or found < 2:  # where nothing fits, the batches say so
        return config
    told.append(
        f"a batch is lowered from {asked:,} to {found:,} pictures, as there are {pictures:,} to "
        "train on (--data.batch-size)"
    )
    return replace(config, data=replace(config.data, batch_size=found))
