"""Parts that all dispatchers share: weights, router, order of claims, experts' MLPs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


class Weights(NamedTuple):
    """Weights of one layer, named as those of `limoe_core.model.moe.MoE`."""

    router: Float[Array, "d E"]
    w_in: Float[Array, "E d h"]
    b_in: Float[Array, "E h"]
    w_out: Float[Array, "E h d"]
    b_out: Float[Array, "E d"]


#: `(weights, x (n, d)) -> (y (n, d), gate distribution of every token (n, E) or None)`
Layer = Callable[[Weights, Array], tuple[Array, Array | None]]


def random_weights(experts: int, width: int, hidden: int, seed: int = 0) -> Weights:
    """Random weights on the scale of a fresh layer's, with biases other than zero."""
    rng = np.random.default_rng(seed)

    def normal(scale: float, *shape: int) -> Array:
        return jnp.asarray(scale * rng.standard_normal(shape), jnp.float32)

    return Weights(
        router=normal(0.02, width, experts),
        w_in=normal(width**-0.5, experts, width, hidden),
        b_in=normal(0.02, experts, hidden),
        w_out=normal(hidden**-0.5, experts, hidden, width),
        b_out=normal(0.02, experts, width),
    )


def route(
    router: Float[Array, "d E"], x: Float[Array, "n d"]
) -> tuple[Float[Array, "n E"], Int[Array, " n"], Float[Array, " n"]]:
    """Each token's gate distribution, its expert and the gate of that expert, in float32."""
    probs = jax.nn.softmax(x.astype(jnp.float32) @ router, axis=-1)
    expert = jnp.argmax(probs, axis=-1)
    gate = jnp.take_along_axis(probs, expert[:, None], axis=-1)[:, 0]
    return probs, expert, gate


def places(expert: Int[Array, " s"], gate: Float[Array, " s"], experts: int) -> Int[Array, " s"]:
    """Each token's rank in its expert's queue, from 0, by Batch Priority Routing.

    As Switch and V-MoE describe it: a cumulative count down the experts' one-hot columns, over the
    tokens of a group sorted by their gates.
    """
    order = jnp.argsort(-jax.lax.stop_gradient(gate), stable=True)
    chosen = jax.nn.one_hot(expert[order], experts, dtype=jnp.int32)
    place = jnp.sum((jnp.cumsum(chosen, axis=0) - 1) * chosen, axis=1)
    return jnp.zeros_like(place).at[order].set(place)


def expert_mlps(weights: Weights, sent: Float[Array, "E C d"]) -> Float[Array, "E C d"]:
    """Every expert's MLP on its buffer."""
    hidden = jnp.einsum("ecd,edh->ech", sent, weights.w_in) + weights.b_in[:, None]
    return jnp.einsum("ech,ehd->ecd", jax.nn.gelu(hidden), weights.w_out) + weights.b_out[:, None]


def loss_gradients(layer: Layer) -> Callable[[Weights, Array], tuple[Array, tuple[Weights, Array]]]:
    """Forward and backward pass: a loss, and its gradients by weights and tokens.

    The loss is the mean square of the output, plus the experts' mean gates squared, summed and
    times E, as load-balancing losses use them; so a gradient reaches every weight, and the router
    both through the gates and through that loss.
    """

    def loss(weights: Weights, x: Array) -> Array:
        y, probs = layer(weights, x)
        value = jnp.mean(jnp.square(y))
        if probs is not None:
            value += probs.shape[-1] * jnp.sum(jnp.square(jnp.mean(probs, axis=0)))
        return value

    return jax.value_and_grad(loss, argnums=(0, 1))
