"""Muon's updates beside their singular values, calculated in float64."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limoe_core.training import muon as module
from limoe_core.training.muon import scale_by_muon

#: Square, wide and tall; one matrix and stacks of them.
SHAPES = [(24, 24), (24, 30), (24, 72), (72, 24), (3, 16, 48), (2, 3, 48, 16)]


def by_singular_values(x: np.ndarray) -> np.ndarray:
    """Jordan's polynomial, five times, on singular values from numpy in float64."""
    u, values, v = np.linalg.svd(x.astype(np.float64), full_matrices=False)
    values = values / np.linalg.norm(values, axis=-1, keepdims=True)
    for _ in range(5):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    return (u * values[..., None, :]) @ v


def first_update(x: np.ndarray) -> np.ndarray:
    """The first update for the gradient x, without the factor for its size."""
    muon = scale_by_muon()
    update, _ = jax.jit(muon.update)(jnp.asarray(x), muon.init(jnp.asarray(x)))
    return np.asarray(update) / (0.2 * max(x.shape[-2:]) ** 0.5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("decades", [0, 2, 6])
def test_it_is_the_polynomial_of_the_singular_values(shape: tuple[int, ...], decades: int) -> None:
    rng = np.random.default_rng(len(shape) + decades)
    u, _, v = np.linalg.svd(rng.normal(size=shape), full_matrices=False)
    values = 10.0 ** -np.linspace(0, decades, u.shape[-1])
    x = ((u * values) @ v).astype(np.float32)
    # Squares of singular values below 3e-4 of the largest are less than float32's rounding.
    atol = 1e-4 if decades < 4 else 1e-3
    np.testing.assert_allclose(first_update(x), by_singular_values(x), atol=atol)


@pytest.mark.training
@given(scale=st.floats(1e-4, 1e4), seed=st.integers(0, 99))
def test_the_size_of_a_gradient_does_not_matter(scale: float, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(8, 20)).astype(np.float32)
    np.testing.assert_allclose(first_update(x * np.float32(scale)), first_update(x), atol=2e-5)


def test_nothing_stays_nothing() -> None:
    np.testing.assert_array_equal(first_update(np.zeros((2, 8, 20), np.float32)), 0.0)


def test_updates_follow_the_momentum_and_fit_each_shape() -> None:
    rng = np.random.default_rng(0)
    params = {f"{shape}": jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in SHAPES}
    muon = scale_by_muon()
    state, update = muon.init(params), jax.jit(muon.update)
    mean = {name: np.zeros(p.shape) for name, p in params.items()}
    for count in (1, 2, 3):
        gradients = {name: rng.normal(size=p.shape) for name, p in params.items()}
        updates, state = update(
            {n: jnp.asarray(g, jnp.float32) for n, g in gradients.items()}, state
        )
        for name, gradient in gradients.items():
            mean[name] = 0.95 * mean[name] + 0.05 * gradient
            # Nesterov's look ahead, each part corrected for its start at 0.
            ahead = 0.95 * mean[name] / (1 - 0.95 ** (count + 1))
            ahead = ahead + 0.05 * gradient / (1 - 0.95**count)
            wanted = 0.2 * max(gradient.shape[-2:]) ** 0.5 * by_singular_values(ahead)
            np.testing.assert_allclose(updates[name], wanted, atol=2e-4, err_msg=name)
    assert int(state.updates) == 3


def test_matrices_of_one_shape_are_one_loop_and_stay_apart() -> None:
    rng = np.random.default_rng(0)
    shapes = {"a": (4, 6), "b": (6, 4), "c": (4, 6), "d": (2, 4, 6), "e": (4, 6), "f": (2, 4, 6)}
    params = {name: jnp.asarray(rng.normal(size=s), jnp.float32) for name, s in shapes.items()}
    muon = scale_by_muon()
    together = jax.jit(muon.update)
    updates, _ = together(params, muon.init(params))
    for name, leaf in params.items():
        alone = first_update(leaf) * 0.2 * max(leaf.shape[-2:]) ** 0.5
        np.testing.assert_allclose(updates[name], alone, atol=2e-6, err_msg=name)
    program = together.lower(params, muon.init(params)).as_text()
    assert program.count("stablehlo.while") == len(set(shapes.values()))


def test_large_matrices_are_worked_on_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    params = {name: jnp.asarray(rng.normal(size=(4, 6)), jnp.float32) for name in "abcde"}
    rule = scale_by_muon()
    wanted, _ = rule.update(params, rule.init(params))
    monkeypatch.setattr(module, "_TOGETHER", 48)
    found, _ = rule.update(params, rule.init(params))
    for name in params:
        np.testing.assert_allclose(found[name], wanted[name], atol=2e-6, err_msg=name)


def test_products_are_in_full_float32() -> None:
    x = jnp.zeros((3, 16, 48))
    muon = scale_by_muon()
    text = jax.jit(muon.update).lower(x, muon.init(x)).as_text()
    products = [line for line in text.splitlines() if "dot_general" in line]
    assert products
    assert all("precision = [HIGHEST, HIGHEST]" in line for line in products)
