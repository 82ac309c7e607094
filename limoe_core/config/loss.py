"""Weights of the router losses, and the contrastive loss."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from limoe_core.settings import Count, Share, Weight, require, require_bounds


@dataclass(frozen=True)
class LossConfig:
    """Auxiliary router losses, each with a weight of its own; 0 switches one off.

    With L the losses in use (weight > 0), the total added to the contrastive loss is
    `auxiliary / |L| · Σ_{l in L} weight_l · loss_l`, each loss averaged over the MoE layers
    (LIMoE, appendix; 0.04 there).
    """

    auxiliary: Weight = 0.04
    """Weight of the mean over the losses in use."""
    importance: Weight = 1.0
    load: Weight = 1.0
    z_loss: Weight = 1.0
    local_entropy_image: Weight = 0.0
    local_entropy_text: Weight = 1.0
    global_entropy_image: Weight = 1.0
    global_entropy_text: Weight = 1.0
    min_experts_image: Share = 20 / 32
    """S_image / E: image tokens must spread over at least this share of the experts."""
    min_experts_text: Share = 9 / 32
    """S_text / E: text tokens must spread over at least this share of the experts."""
    initial_temperature: Weight = 0.1
    """Starting value of the learned temperature that divides the similarities."""
    min_temperature: Weight = 0.01
    max_temperature: Weight = 1.0
    contrastive_block: Count = 0
    """Rows of the batch-by-batch similarity matrix that exist at one time; it must divide the batch
    size. Memory then grows with the batch and not with its square. 0 makes the whole matrix."""

    def __post_init__(self) -> None:
        require_bounds(self, "loss")
        require(
            0 < self.min_temperature <= self.initial_temperature <= self.max_temperature,
            "loss: need 0 < min_temperature <= initial_temperature <= max_temperature",
        )

    def threshold(self, modality: Literal["image", "text"], experts: int) -> float:
        """τ_m = log S_m in nats, with S_m at least one expert (LIMoE eq. 2)."""
        share = self.min_experts_image if modality == "image" else self.min_experts_text
        return math.log(max(1.0, share * experts))
