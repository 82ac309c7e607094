"""The optimizer: a rule of `OPTIMIZERS`, a schedule, clipping, and which parameters decay.

To add an optimizer: an entry in `OPTIMIZERS`, and its name in `OptimizerConfig.name`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from limoe_core.config import OptimizerConfig
from limoe_core.training.muon import scale_by_muon

#: Last part of the path of parameters that never decay.
_NO_DECAY = ("bias", "scale", "b_in", "b_out", "image_positions", "text_positions")


def learning_rate(config: OptimizerConfig, steps: int) -> optax.Schedule:
    """Learning rate by step: linear warm-up, then cosine to 0, or 1/√step with a cool-down to 0."""
    warmup = min(config.warmup_steps, max(steps - 1, 1))
    peak = config.learning_rate
    if config.schedule == "cosine":
        return optax.warmup_cosine_decay_schedule(0.0, peak, max(warmup, 1), max(steps, 2))
    rise = optax.linear_schedule(0.0, peak, max(warmup, 1))
    cooldown = min(config.cooldown_steps, steps - warmup)
    start = steps - cooldown

    def decay(step: jax.typing.ArrayLike) -> jax.Array:
        # Negative steps are asked for too, and thrown away, while the warm-up lasts.
        return peak * (max(warmup, 1) / (jnp.maximum(step, 0) + max(warmup, 1))) ** 0.5

    parts, borders = [rise, decay], [warmup]
    if cooldown:
        parts.append(optax.linear_schedule(float(decay(start - warmup)), 0.0, cooldown))
        borders.append(start)
    return optax.join_schedules(parts, borders)


def decay_mask(params: Any) -> Any:
    """True for parameters that decay: matrices of linear layers, embeddings, experts, routers."""

    def decays(path: tuple[Any, ...], _: Any) -> bool:
        name = jax.tree_util.keystr(path[-1:], simple=True)
        return name not in _NO_DECAY and name != "log_temperature"

    return jax.tree_util.tree_map_with_path(decays, params)


def takes_muon(params: Any) -> Any:
    """True for what Muon orthogonalises: every matrix in a block, each expert's by itself.

    Vectors, embeddings, heads and routers are AdamW's. A router's columns compete for tokens, and
    steps of equal size in every direction would wear down their contrast.
    """

    def takes(path: tuple[Any, ...], _: Any) -> bool:
        keys = jax.tree_util.keystr(path, simple=True, separator=".").split(".")
        return keys[0] == "blocks" and keys[-1] in ("kernel", "w_in", "w_out")

    return jax.tree_util.tree_map_with_path(takes, params)


def _adamw(config: OptimizerConfig, rate: optax.Schedule) -> optax.GradientTransformation:
    return optax.adamw(
        rate,
        b1=config.beta1,
        b2=config.beta2,
        weight_decay=config.weight_decay,
        mask=decay_mask,
    )


def _muon(config: OptimizerConfig, rate: optax.Schedule) -> optax.GradientTransformation:
    """Muon for the matrices of blocks; AdamW for all else."""
    # Its updates are as large as AdamW's, so that one learning rate serves both.
    matrices = optax.chain(
        scale_by_muon(),
        optax.add_decayed_weights(config.weight_decay),
        optax.scale_by_learning_rate(rate),
    )

    def rules(params: Any) -> Any:
        return jax.tree.map(lambda muon: "muon" if muon else "adamw", takes_muon(params))

    return optax.partition({"muon": matrices, "adamw": _adamw(config, rate)}, rules)


OPTIMIZERS: dict[str, Callable[[OptimizerConfig, optax.Schedule], optax.GradientTransformation]] = {
    "adamw": _adamw,
    "muon": _muon,
}
"""How gradients of bounded norm become updates, by `OptimizerConfig.name`."""


def make_optimizer(config: OptimizerConfig, steps: int) -> optax.GradientTransformation:
    """The optimizer of a run of `steps` steps."""
    rule = OPTIMIZERS[config.name](config, learning_rate(config, steps))
    return optax.chain(optax.clip_by_global_norm(config.clip_norm), rule)
