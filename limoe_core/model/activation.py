"""The nonlinearity of every MLP, with a backward pass that reads little."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_SLOPE, _CUBE = math.sqrt(2 / math.pi), 0.044715


def gelu(x: Float[Array, "*n h"]) -> Float[Array, "*n h"]:
    """GELU by its tanh approximation (arXiv 1606.08415), rounded to the type of x at the end.

    In less than float32, nothing but x is kept for the gradient.
    """
    return jax.nn.gelu(x) if x.dtype == jnp.float32 else _gelu(x)


@jax.custom_vjp
def _gelu(x: Array) -> Array:
    return jax.nn.gelu(x.astype(jnp.float32)).astype(x.dtype)


def _forward(x: Array) -> tuple[Array, Array]:
    return _gelu(x), x


def _backward(x: Array, slope: Array) -> tuple[Array]:
    # gelu(x) = x · σ(2u) with u = √(2/π) (x + 0.044715 x³). Left to itself, JAX keeps tanh(u) for
    # this, as wide as x; and XLA would, too, if it were asked for tanh(u) again.
    wide = x.astype(jnp.float32)
    gate = jax.nn.sigmoid(2 * _SLOPE * (wide + _CUBE * wide**3))
    turn = 2 * _SLOPE * (1 + 3 * _CUBE * jnp.square(wide))
    found = gate + wide * gate * (1 - gate) * turn
    return ((slope.astype(jnp.float32) * found).astype(x.dtype),)


_gelu.defvjp(_forward, _backward)
