"""The optimizer: AdamW or Muon, a schedule, clipping, and which parameters decay."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax
from optax.contrib import MuonDimensionNumbers, muon

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


def muon_axes(params: Any) -> Any:
    """Which axes of a parameter Muon orthogonalises: (in, out) of every matrix in a block.

    None leaves a parameter to AdamW: vectors, embeddings, heads and routers. A router's columns
    compete for tokens, and steps of equal size in every direction would wear down their contrast.
    """

    def axes(path: tuple[Any, ...], value: jax.Array) -> MuonDimensionNumbers | None:
        keys = jax.tree_util.keystr(path, simple=True, separator=".").split(".")
        matrix = keys[0] == "blocks" and keys[-1] in ("kernel", "w_in", "w_out")
        # Experts are stacked on an axis of their own, each a matrix by itself.
        return MuonDimensionNumbers(value.ndim - 2, value.ndim - 1) if matrix else None

    return jax.tree_util.tree_map_with_path(axes, params)


def make_optimizer(config: OptimizerConfig, steps: int) -> optax.GradientTransformation:
    """The optimizer of a run of `steps` steps."""
    rate = learning_rate(config, steps)
    rule = optax.adamw(
        rate,
        b1=config.beta1,
        b2=config.beta2,
        weight_decay=config.weight_decay,
        mask=decay_mask,
    )
    if config.name == "muon":
        matrices = muon(
            rate,
            weight_decay=config.weight_decay,
            muon_weight_dimension_numbers=muon_axes,
            # Updates as large as AdamW's, so that one learning rate serves both.
            consistent_rms=0.2,
        )
        # Not by muon's own AdamW, which would decay biases and norms too.
        rule = optax.partition({"muon": matrices, "adamw": rule}, _rules)
    return optax.chain(optax.clip_by_global_norm(config.clip_norm), rule)


def _rules(params: Any) -> Any:
    return jax.tree.map(
        lambda axes: "adamw" if axes is None else "muon",
        muon_axes(params),
        is_leaf=lambda x: x is None or isinstance(x, MuonDimensionNumbers),
    )
