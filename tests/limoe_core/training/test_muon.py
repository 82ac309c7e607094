"""Muon's orthogonalisation beside singular values, step by step, and beside optax's."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optax.contrib import MuonDimensionNumbers
from optax.contrib import scale_by_muon as peer

from limoe_core.training.muon import orthogonalise, product_sizes, scale_by_muon

#: Square, wide and tall: both ways of computing it, and both of them turned.
SHAPES = [(24, 24), (24, 30), (24, 72), (72, 24), (3, 16, 48), (2, 3, 48, 16)]


def by_singular_values(x: np.ndarray) -> np.ndarray:
    """Jordan's polynomial, five times, on singular values from numpy in float64."""
    u, values, v = np.linalg.svd(x.astype(np.float64), full_matrices=False)
    values = values / np.linalg.norm(values, axis=-1, keepdims=True)
    for _ in range(5):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    return (u * values[..., None, :]) @ v


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("decades", [0, 2, 6])
def test_it_is_the_polynomial_of_the_singular_values(shape: tuple[int, ...], decades: int) -> None:
    rng = np.random.default_rng(len(shape) + decades)
    u, _, v = np.linalg.svd(rng.normal(size=shape), full_matrices=False)
    values = 10.0 ** -np.linspace(0, decades, u.shape[-1])
    x = ((u * values) @ v).astype(np.float32)
    found = np.asarray(jax.jit(orthogonalise)(x))
    # Squares of singular values below 3e-4 of the largest are less than float32's rounding.
    np.testing.assert_allclose(found, by_singular_values(x), atol=1e-4 if decades < 4 else 1e-3)


@given(scale=st.floats(1e-4, 1e4), seed=st.integers(0, 99))
def test_the_size_of_a_gradient_does_not_matter(scale: float, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(8, 20)).astype(np.float32)
    scaled = orthogonalise(jnp.asarray(x * np.float32(scale)))
    np.testing.assert_allclose(scaled, orthogonalise(jnp.asarray(x)), atol=2e-5)


def test_nothing_stays_nothing() -> None:
    np.testing.assert_array_equal(orthogonalise(jnp.zeros((2, 8, 20))), 0.0)


def test_updates_are_those_of_optax() -> None:
    rng = np.random.default_rng(0)
    params = {f"{shape}": jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in SHAPES[:-1]}
    axes = {name: MuonDimensionNumbers(p.ndim - 2, p.ndim - 1) for name, p in params.items()}
    ours, theirs = scale_by_muon(), peer(weight_dimension_numbers=axes)
    states = ours.init(params), theirs.init(params)
    for _ in range(3):
        gradients = {
            name: jnp.asarray(rng.normal(size=p.shape), jnp.float32) for name, p in params.items()
        }
        update, mine = jax.jit(ours.update)(gradients, states[0])
        wanted, other = jax.jit(theirs.update)(gradients, states[1])
        states = mine, other
        for name, p in params.items():
            size = 0.2 * max(p.shape[-2:]) ** 0.5
            np.testing.assert_allclose(update[name], size * wanted[name], atol=5e-5, err_msg=name)


@pytest.mark.parametrize("sides", [(24, 24), (24, 35), (24, 36), (128, 384)])
def test_products_are_counted_as_xla_counts_them(sides: tuple[int, int]) -> None:
    compiled = jax.jit(orthogonalise).lower(jnp.zeros(sides)).compile()
    counted = sum(2 * m * k * n for m, k, n in product_sizes(*sides))
    # Besides products XLA counts some sums of elements.
    assert 1.0 <= compiled.cost_analysis()["flops"] / counted < 1.3
