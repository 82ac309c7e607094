"""No dispatch: one MLP of an expert's size on every token."""

from __future__ import annotations

import jax
from jaxtyping import Array

from benchmarks.dispatch.layer import Layer, Weights


def dense_mlp() -> Layer:
    """The first expert's MLP alone; there is no router, so there are no gates."""

    def layer(weights: Weights, x: Array) -> tuple[Array, None]:
        hidden = jax.nn.gelu(x @ weights.w_in[0] + weights.b_in[0])
        return hidden @ weights.w_out[0] + weights.b_out[0], None

    return layer
