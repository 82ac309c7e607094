"""Flax's layers as this model uses them: every parameter says what role it has."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from limoe_core.config import ModelConfig
from limoe_core.roles import MATRIX, VECTOR, Role


def linear(
    inputs: int,
    outputs: int,
    *,
    rngs: nnx.Rngs,
    dtype: str = "float32",
    role: Role = MATRIX,
    use_bias: bool = True,
) -> nnx.Linear:
    """A linear layer whose kernel has the given role."""
    return nnx.Linear(
        inputs,
        outputs,
        use_bias=use_bias,
        dtype=jnp.dtype(dtype),
        rngs=rngs,
        kernel_metadata={"role": role},
        bias_metadata={"role": VECTOR},
    )


def layer_norm(width: int, *, rngs: nnx.Rngs) -> nnx.LayerNorm:
    """A LayerNorm over the channels."""
    declared = {"role": VECTOR}
    return nnx.LayerNorm(width, rngs=rngs, scale_metadata=declared, bias_metadata=declared)


class MLP(nnx.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, config: ModelConfig, hidden: int, *, rngs: nnx.Rngs) -> None:
        self.w_in = linear(config.width, hidden, dtype=config.dtype, rngs=rngs)
        self.w_out = linear(hidden, config.width, dtype=config.dtype, rngs=rngs)

    def __call__(self, x: Float[Array, "n d"]) -> Float[Array, "n d"]:
        return self.w_out(jax.nn.gelu(self.w_in(x)))
