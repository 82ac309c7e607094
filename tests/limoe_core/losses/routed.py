"""Routed tokens to try losses and statistics on, and the plain loops that they must agree with."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from limoe_core.losses.sums import RoutedTokens
from limoe_core.model.moe import Assignment, Routing


def random_tokens(seed: int, n: int = 12, experts: int = 4, top_k: int = 2) -> RoutedTokens:
    """Random logits, noise, drops and padding; every token of a group may be of one modality."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=2, size=(n, experts)).astype(np.float32)
    noisy = logits + rng.normal(scale=1 / experts, size=logits.shape).astype(np.float32)
    valid = rng.random(n) < 0.8
    modality = (rng.random(n) < rng.random()).astype(np.int32)
    order = np.argsort(-noisy, axis=1)[:, :top_k].astype(np.int32)
    kept = valid[:, None] & (rng.random((n, top_k)) < 0.7)
    assignment = Assignment(
        expert=jnp.asarray(np.where(valid[:, None], order, -1)),
        slot=jnp.asarray(np.where(kept, 0, -1).astype(np.int32)),
        kept=jnp.asarray(kept),
    )
    gates = np.asarray(jax.nn.softmax(noisy))
    gate = jnp.asarray(np.take_along_axis(gates, order, axis=1))
    routing = Routing(jnp.asarray(logits), jnp.asarray(noisy), assignment, gate)
    return RoutedTokens(routing, jnp.asarray(valid), jnp.asarray(modality))


def joined(groups: list[RoutedTokens]) -> RoutedTokens:
    """The tokens of several groups as one group."""
    parts = [(group.routing, group.valid, group.modality) for group in groups]
    return RoutedTokens(*jax.tree.map(lambda *arrays: jnp.concatenate(arrays), *parts))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Row by row, in float64."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def of_modality(tokens: RoutedTokens, code: int) -> list[int]:
    """Indices of a modality's real tokens."""
    return [
        i
        for i in range(len(tokens.valid))
        if bool(tokens.valid[i]) and int(tokens.modality[i]) == code
    ]
