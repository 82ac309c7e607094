"""The optimizer: AdamW, a schedule, clipping, and which parameters decay."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax

from limoe_core.config import OptimizerConfig

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


def make_optimizer(config: OptimizerConfig, steps: int) -> optax.GradientTransformation:
    """The optimizer of a run of `steps` steps."""
    return optax.chain(
        optax.clip_by_global_norm(config.clip_norm),
        optax.adamw(
            learning_rate(config, steps),
            b1=config.beta1,
            b2=config.beta2,
            weight_decay=config.weight_decay,
            mask=decay_mask,
        ),
    )
