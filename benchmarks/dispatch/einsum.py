"""Dispatch by one-hot masks and einsum.

As in GShard (arXiv 2006.16668) and Switch (arXiv 2101.03961); V-MoE (arXiv 2106.05974) adds the
priority. Tokens are split into groups, each with a capacity of
its own, since the masks grow with the square of a group.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array

from benchmarks.dispatch.layer import Layer, Weights, expert_mlps, places, route
from limoe_core.model.assignment import capacity


def einsum_dispatch(factor: float, groups: int) -> Layer:
    """The layer with masks of (G, s, E, C); `groups` must divide the number of tokens."""

    def layer(weights: Weights, x: Array) -> tuple[Array, Array]:
        n, d = x.shape
        experts = weights.router.shape[1]
        size = n // groups
        room = capacity(size, 1, factor, experts)
        probs, expert, gate = route(weights.router, x)
        expert, gate = expert.reshape(groups, size), gate.reshape(groups, size)
        place = jax.vmap(lambda e, g: places(e, g, experts))(expert, gate)
        # A slot beyond the buffer has an all-zero one-hot row, which drops the token.
        to_expert = jax.nn.one_hot(expert, experts, dtype=x.dtype)
        to_place = jax.nn.one_hot(place, room, dtype=x.dtype)
        dispatch = to_expert[..., :, None] * to_place[..., None, :]
        combine = gate[..., None, None].astype(x.dtype) * dispatch
        sent = jnp.einsum("gsec,gsd->egcd", dispatch, x.reshape(groups, size, d))
        out = expert_mlps(weights, sent.reshape(experts, groups * room, d))
        out = out.reshape(experts, groups, room, d)
        return jnp.einsum("gsec,egcd->gsd", combine, out).reshape(n, d), probs

    return layer
