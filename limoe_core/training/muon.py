"""Muon: momentum, with all singular values of each matrix brought near 1 (Jordan et al., 2024).

optax's, for stacks of matrices, in full float32 and at the size of AdamW's updates. Orthogonalised
momentum is of full size however small the momentum has become, so a matrix without a gradient, as
of an expert that got no token, is not moved along it. Weight decay goes on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int
from optax.contrib import MuonDimensionNumbers
from optax.contrib import MuonState as OptaxState
from optax.contrib import scale_by_muon as optax_muon

from limoe_core.precision import exact_float32

#: a, b, c of each step's polynomial a·x + b·x³ + c·x⁵ in the singular values, step by step. One
#: row a step makes optax loop over them: a sixth of the matrix products to compile.
COEFFICIENTS = ((3.4445, -4.7750, 2.0315),) * 5
_MOMENTUM = 0.95


class MuonState(NamedTuple):
    """Muon's state between updates: optax's without the coefficients, which are settings."""

    updates: Int[Array, ""]
    """Number of updates made so far."""
    mean: Any
    """Moving average of the gradients, not corrected for its start at 0."""


def scale_by_muon() -> optax.GradientTransformation:
    """Nesterov momentum, orthogonalised, as large in root mean square as AdamW's updates are.

    The last two axes of every parameter are a matrix, and those before them count matrices. Scaled
    by 0.2·√(longer side) (Liu et al., arXiv 2502.16982). A matrix whose gradient is 0 throughout
    does not move; its momentum fades all the same, so that it counts for little when tokens come.
    """
    rule = optax_muon(COEFFICIENTS, beta=_MOMENTUM, weight_dimension_numbers=_last_two_axes)

    def init(params: Any) -> MuonState:
        state = rule.init(params)
        return MuonState(state.count, state.mu)

    def update(gradients: Any, state: MuonState, params: Any = None) -> tuple[Any, MuonState]:
        del params
        full = OptaxState(state.updates, state.mean, jnp.asarray(COEFFICIENTS))
        # Squares of small singular values drown in the rounding of anything less than float32.
        with exact_float32():
            updates, full = rule.update(gradients, full)
        scaled = jax.tree.map(_scaled, updates, gradients)
        return scaled, MuonState(full.count, full.mu)

    return optax.GradientTransformation(init, update)


def _scaled(update: Float[Array, "*b m n"], gradient: Float[Array, "*b m n"]) -> Array:
    moves = jnp.any(gradient != 0, axis=(-2, -1), keepdims=True)
    return jnp.where(moves, 0.2 * max(update.shape[-2:]) ** 0.5 * update, 0.0)


def _last_two_axes(params: Any) -> Any:
    return jax.tree.map(lambda p: MuonDimensionNumbers(p.ndim - 2, p.ndim - 1), params)
