"""Moving rows between two layouts of the same tokens."""

from __future__ import annotations

from typing import Any

import jax
from jaxtyping import Array, Float, Int


@jax.custom_vjp
def gather_rows(
    x: Float[Array, "n d"], source: Int[Array, " m"], target: Int[Array, " n"]
) -> Float[Array, "m d"]:
    """Row `source[i]` of x as row i, and zeros where `source[i] == n`.

    `target` is the inverse: the row of the result that row j of x went to, m where it went nowhere.
    A row goes to one place at most, so the gradient is a gather by `target`; left to itself, JAX
    would make it a scatter-add, which is several times slower.
    """
    return x.at[source].get(mode="fill", fill_value=0)


def _forward(x: Array, source: Array, target: Array) -> tuple[Array, Array]:
    return gather_rows(x, source, target), target


def _backward(target: Array, grad: Array) -> tuple[Array, Any, Any]:
    return grad.at[target].get(mode="fill", fill_value=0), None, None


gather_rows.defvjp(_forward, _backward)
