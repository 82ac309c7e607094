"""What moves the parameters, and how far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from limoe_core.settings import Between, Count, Share, Weight, require_bounds


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW or Muon with linear warm-up, a schedule and global-norm clipping."""

    name: Literal["adamw", "muon"] = "adamw"
    """`muon` orthogonalises the updates of the blocks' matrices (Jordan et al., 2024; scaled as
    arXiv 2502.16982 does, so that AdamW's learning rate fits) and leaves the rest to AdamW."""
    learning_rate: Weight = 2e-3
    """Peak learning rate."""
    warmup_steps: Count = 300
    schedule: Literal["cosine", "rsqrt"] = "cosine"
    cooldown_steps: Count = 0
    """Length of the linear cool-down that ends an rsqrt schedule."""
    weight_decay: Weight = 0.05
    """Decoupled; never on biases, norms, position embeddings or the temperature."""
    beta1: Share = 0.9
    beta2: Share = 0.98
    clip_norm: Annotated[float, Between(0, 1e30)] = 1.0
    """Largest global norm of the gradient."""

    def __post_init__(self) -> None:
        require_bounds(self, "optimizer")
