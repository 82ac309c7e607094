"""Every setting of a model, its training and its data.

Settings live here and nowhere else: the command lines of `limoe_core.train` and
`limoe_core.evaluate` are made from these dataclasses, and a run's `config.json` is one of them
written down.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from limoe_core.config.data import DataConfig
from limoe_core.config.loss import LossConfig
from limoe_core.config.model import ModelConfig
from limoe_core.config.optimizer import OptimizerConfig
from limoe_core.config.train import TrainConfig
from limoe_core.settings import ConfigError, build, require

__all__ = [
    "Config",
    "ConfigError",
    "DataConfig",
    "LossConfig",
    "ModelConfig",
    "OptimizerConfig",
    "TrainConfig",
]

#: Most bytes of the pictures of the probe pairs, as readers take them.
_MOST_PICTURES = 2**28


@dataclass(frozen=True)
class Config:
    """All settings of a run."""

    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        batch, groups = self.data.batch_size, self.train.groups
        require(
            batch % groups == 0,
            f"data.batch_size {batch} cannot be cut into {groups} routing groups of equal size",
        )
        pictures = self.train.probe_pairs * 3 * self.model.image_size**2
        require(
            pictures <= _MOST_PICTURES,
            f"train.probe_pairs {self.train.probe_pairs:,} with pictures of "
            f"{self.model.image_size} pixels make {pictures / 2**20:,.0f} MiB of pictures; at most "
            f"{_MOST_PICTURES // 2**20} MiB are kept",
        )
        block = self.loss.contrastive_block
        require(
            batch % (block or 1) == 0,
            f"data.batch_size {batch} is not a multiple of loss.contrastive_block {block}",
        )

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Config:
        """The inverse of `to_dict`.

        Settings that are missing take their defaults; unknown ones raise `ConfigError`, since a
        model rebuilt without a setting it was trained with would be a different model.
        """
        return build(cls, values, "config")
