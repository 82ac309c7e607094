"""Flax's layers as this model uses them: every parameter says what role it has."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from limoe_core.config import ModelConfig
from limoe_core.devices.mesh import WHOLE, constrain
from limoe_core.model.activation import gelu
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
        dot_general=_with_whole_kernel,
        kernel_metadata={"role": role},
        bias_metadata={"role": VECTOR},
    )


def _with_whole_kernel(x: Array, kernel: Array, *arguments: Any, **options: Any) -> Array:
    """Where parameters are cut along `data`, each device collects a kernel when it needs it.

    After its cast, so that half of the bytes are sent in bfloat16.
    """
    return jax.lax.dot_general(x, constrain(kernel, WHOLE), *arguments, **options)


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
        return self.w_out(gelu(self.w_in(x)))
