"""Muon: momentum, with all singular values of each matrix brought near 1 (Jordan et al., 2024).

For stacks of matrices, in full float32 and at the size of AdamW's updates. Orthogonalised momentum
is of full size however small the momentum has become, so a matrix without a gradient, as of an
expert that got no token, is not moved along it. Weight decay goes on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from limoe_core.precision import exact_float32

#: a, b, c of each step's polynomial a·x + b·x³ + c·x⁵ in the singular values.
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
STEPS = 5
"""Newton-Schulz steps of an update."""
_MOMENTUM = 0.95
#: Keeps a matrix of zeros as it is.
_SMALL = 1e-8
#: Numbers of equal parameters that are worked on together. More are taken one parameter after the
#: other: their steps would no longer lie in a CPU's cache, and need much memory elsewhere.
_TOGETHER = 2**20


class MuonState(NamedTuple):
    """Muon's state between updates."""

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

    def init(params: Any) -> MuonState:
        return MuonState(jnp.zeros((), jnp.int32), optax.tree.zeros_like(params))

    def update(gradients: Any, state: MuonState, params: Any = None) -> tuple[Any, MuonState]:
        del params
        count = state.updates + 1
        mean = optax.tree.update_moment(gradients, state.mean, _MOMENTUM, 1)
        ahead = jax.tree.map(
            lambda before, now: _MOMENTUM * before + (1 - _MOMENTUM) * now,
            optax.tree.bias_correction(mean, _MOMENTUM, count + 1),
            optax.tree.bias_correction(gradients, _MOMENTUM, count),
        )
        updates = jax.tree.map(_scaled, _on_stacks(orthogonalised, ahead), gradients)
        return updates, MuonState(count, mean)

    return optax.GradientTransformation(init, update)


@exact_float32()  # squares of small singular values drown in the rounding of anything less
def orthogonalised(x: Float[Array, "*b m n"]) -> Float[Array, "*b m n"]:
    """Each matrix with its singular values brought near 1, by five Newton-Schulz steps."""
    tall = x.shape[-2] > x.shape[-1]
    wide = x.mT if tall else x
    wide = wide / (jnp.linalg.norm(wide, axis=(-2, -1), keepdims=True) + _SMALL)
    a, b, c = _COEFFICIENTS

    def step(_: Any, x: Array) -> Array:
        square = x @ x.mT
        return a * x + (b * square + (c * square) @ square) @ x

    wide = jax.lax.fori_loop(0, STEPS, step, wide)
    return wide.mT if tall else wide


def _on_stacks(rule: Callable[[Array], Array], tree: Any) -> Any:
    """`rule`, which treats each matrix by itself, on every leaf of the tree.

    Leaves of one shape are stacked, so that what is compiled does not grow with the number of
    blocks, and small matrices are one product and not many.
    """
    leaves, structure = jax.tree.flatten(tree)
    alike: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for place, leaf in enumerate(leaves):
        alike[leaf.shape].append(place)
    for places in alike.values():
        stack = jnp.stack([leaves[place] for place in places])
        found = rule(stack) if stack.size <= _TOGETHER else jax.lax.map(rule, stack)
        for place, leaf in zip(places, found, strict=True):
            leaves[place] = leaf
    return jax.tree.unflatten(structure, leaves)


def _scaled(update: Float[Array, "*b m n"], gradient: Float[Array, "*b m n"]) -> Array:
    moves = jnp.any(gradient != 0, axis=(-2, -1), keepdims=True)
    return jnp.where(moves, 0.2 * max(update.shape[-2:]) ** 0.5 * update, 0.0)
