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
from limoe_core.roles import Roles
from limoe_core.training.muon import scale_by_muon

#: Gives a tree of bools for one of parameters.
Mask = Callable[[Any], Any]


def learning_rate(config: OptimizerConfig, steps: int) -> optax.Schedule:
    """Learning rate by the number of updates made before.

    Linear warm-up, whose first update has a rate already; then cosine to 0, or 1/√step with a
    cool-down to 0.
    """
    warmup = min(config.warmup_steps, max(steps - 1, 1))
    peak = config.learning_rate
    first = peak / (warmup + 1)
    if config.schedule == "cosine":
        return optax.warmup_cosine_decay_schedule(first, peak, max(warmup, 1), max(steps, 2))
    rise = optax.linear_schedule(first, peak, max(warmup, 1))
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


def decay_mask(roles: Roles) -> Mask:
    """True for parameters that decay: matrices of linear layers, embeddings, experts, routers."""
    return roles.mask(lambda role: role.decays)


def takes_muon(roles: Roles) -> Mask:
    """True for what Muon orthogonalises: every matrix in a block, each expert's by itself.

    Vectors, embeddings, heads and routers are AdamW's. A router's columns compete for tokens, and
    steps of equal size in every direction would wear down their contrast.
    """
    return roles.mask(lambda role: role.matrix and not role.frozen)


def _adamw(
    config: OptimizerConfig, rate: optax.Schedule, roles: Roles
) -> optax.GradientTransformation:
    return optax.adamw(
        rate,
        b1=config.beta1,
        b2=config.beta2,
        weight_decay=config.weight_decay,
        mask=decay_mask(roles),
    )


def _muon(
    config: OptimizerConfig, rate: optax.Schedule, roles: Roles
) -> optax.GradientTransformation:
    """Muon for the matrices of blocks; AdamW for all else."""
    # Its updates are as large as AdamW's, so that one learning rate serves both.
    matrices = optax.chain(
        scale_by_muon(),
        optax.add_decayed_weights(config.weight_decay),
        optax.scale_by_learning_rate(rate),
    )
    return optax.partition(
        {"muon": matrices, "adamw": _adamw(config, rate, roles)},
        _labels(takes_muon(roles), "muon", "adamw"),
    )


OPTIMIZERS: dict[
    str, Callable[[OptimizerConfig, optax.Schedule, Roles], optax.GradientTransformation]
] = {"adamw": _adamw, "muon": _muon}
"""Update rules for gradients of bounded norm, by `OptimizerConfig.name`."""


def make_optimizer(
    config: OptimizerConfig, steps: int, roles: Roles
) -> optax.GradientTransformation:
    """The optimizer of a run of `steps` steps, for parameters with these roles."""
    rule = OPTIMIZERS[config.name](config, learning_rate(config, steps), roles)
    rule = optax.chain(optax.clip_by_global_norm(config.clip_norm), rule)
    if roles.any(lambda role: role.frozen):
        labels = _labels(roles.mask(lambda role: role.frozen), "frozen", "learned")
        rule = optax.partition({"frozen": optax.set_to_zero(), "learned": rule}, labels)
    return rule


def _labels(mask: Mask, yes: str, no: str) -> Mask:
    return lambda params: jax.tree.map(lambda holds: yes if holds else no, mask(params))
