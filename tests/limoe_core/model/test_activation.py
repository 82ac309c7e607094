"""The nonlinearity and its slope."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from limoe_core.model.activation import gelu

_X = np.linspace(-9, 9, 1001, dtype=np.float32)


@jax.jit
def _both(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    value, pull = jax.vjp(gelu, x)
    return value, pull(jnp.ones_like(value))[0]


def values_and_slopes(x: jax.Array) -> tuple[np.ndarray, np.ndarray]:
    value, slope = _both(x)
    return np.asarray(value, np.float32), np.asarray(slope, np.float32)


def test_in_bfloat16_it_is_rounded_once() -> None:
    x = jnp.asarray(_X, jnp.bfloat16)
    exact = values_and_slopes(x.astype(jnp.float32))
    for found, wanted in zip(values_and_slopes(x), exact, strict=True):
        rounded = np.asarray(jnp.asarray(wanted, jnp.bfloat16), np.float32)
        # Far out, where 1 + tanh(u) has no digits left, ours has the more exact slope.
        np.testing.assert_allclose(found, rounded, rtol=2**-7, atol=1e-5)


def test_its_slope_is_finite_far_out() -> None:
    x = jnp.array([-1e9, -1e4, 0, 1e4, 1e9], jnp.bfloat16)
    value, slope = values_and_slopes(x)
    assert np.isfinite(value).all()
    np.testing.assert_allclose(slope, [0, 0, 0.5, 1, 1])


def test_nothing_but_its_input_is_kept_for_the_slope() -> None:
    x = jnp.zeros((4, 8), jnp.bfloat16)
    _, pull = jax.vjp(gelu, x)
    kept = [leaf for leaf in jax.tree.leaves(pull) if getattr(leaf, "shape", ()) == x.shape]
    assert [leaf.dtype for leaf in kept] == [jnp.bfloat16]
