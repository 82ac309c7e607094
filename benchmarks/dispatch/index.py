"""Dispatch by indices, scatter and gather, as in V-MoE (arXiv 2106.05974)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array

from benchmarks.dispatch.layer import Layer, Weights, expert_mlps, places, route
from limoe_core.model.assignment import capacity


def index_dispatch(factor: float, groups: int) -> Layer:
    """The layer with a scatter-add into each group's (E, C, d) and a gather out of it.

    `groups` must divide the number of tokens. JAX derives the backward pass.
    """

    def layer(weights: Weights, x: Array) -> tuple[Array, Array]:
        n, d = x.shape
        experts = weights.router.shape[1]
        size = n // groups
        room = capacity(size, 1, factor, experts)
        probs, expert, gate = route(weights.router, x)
        expert, gate = expert.reshape(groups, size), gate.reshape(groups, size)

        def scatter(tokens: Array, expert: Array, place: Array) -> Array:
            # A slot beyond the buffer is out of bounds, which drops the token.
            return jnp.zeros((experts, room, d), x.dtype).at[expert, place].add(tokens, mode="drop")

        def gather(out: Array, expert: Array, place: Array) -> Array:
            return out.at[expert, place].get(mode="fill", fill_value=0)

        place = jax.vmap(lambda e, g: places(e, g, experts))(expert, gate)
        sent = jax.vmap(scatter)(x.reshape(groups, size, d), expert, place)
        sent = sent.swapaxes(0, 1).reshape(experts, groups * room, d)
        out = expert_mlps(weights, sent).reshape(experts, groups, room, d).swapaxes(0, 1)
        back = jax.vmap(gather)(out, expert, place)
        return (back * gate[..., None].astype(x.dtype)).reshape(n, d), probs

    return layer
