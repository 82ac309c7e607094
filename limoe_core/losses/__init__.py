"""The contrastive loss, and the auxiliary losses that keep the routers of LIMoE stable."""

from limoe_core.losses.contrastive import Labels, contrast, contrastive_loss
from limoe_core.losses.router import (
    auxiliary_losses,
    auxiliary_total,
    entropy,
    global_entropy,
    importance_loss,
    load,
    load_loss,
    local_entropy,
    squared_z,
    z_loss,
)

__all__ = [
    "Labels",
    "auxiliary_losses",
    "auxiliary_total",
    "contrast",
    "contrastive_loss",
    "entropy",
    "global_entropy",
    "importance_loss",
    "load",
    "load_loss",
    "local_entropy",
    "squared_z",
    "z_loss",
]
