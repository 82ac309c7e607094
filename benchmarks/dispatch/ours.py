"""`limoe_core.model.moe.MoE` as it is used in the model."""

from __future__ import annotations

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array

from benchmarks.dispatch.layer import Layer, Weights
from limoe_core.config import ModelConfig
from limoe_core.model.moe import MoE


def ours(shape: Weights, factor: float) -> Layer:
    """Our layer, for weights of these shapes.

    Unlike the others, it handles padding; here no token is padding.
    """
    experts, width, hidden = shape.w_in.shape
    config = ModelConfig(width=width, heads=1, mlp_dim=hidden, experts=experts, top_k=1)
    graph, abstract = nnx.split(nnx.eval_shape(lambda: MoE(config, rngs=nnx.Rngs(0))))

    def layer(weights: Weights, x: Array) -> tuple[Array, Array]:
        nnx.replace_by_pure_dict(abstract, weights._asdict())
        moe = nnx.merge(graph, abstract)
        # Passed as data, as in the model, or XLA would fold it away.
        valid = x[:, 0] == x[:, 0]
        y, routing = moe(
            x,
            valid,
            jnp.zeros(len(x), jnp.int32),
            capacity_factor=factor,
            batch_priority=True,
        )
        return y, routing.probs

    return layer
