"""The rivals of our expert layer compute the same layer, or the comparison would mean nothing."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.dispatch.dense import dense_mlp
from benchmarks.dispatch.einsum import einsum_dispatch
from benchmarks.dispatch.index import index_dispatch
from benchmarks.dispatch.layer import Layer, Weights, loss_gradients, random_weights
from benchmarks.dispatch.ours import ours
from benchmarks.dispatch.ragged import ragged_dispatch

pytestmark = pytest.mark.benchmark

N, D, E, H = 48, 8, 4, 12
ROOM_FOR_ALL = float(E)


def inputs(seed: int = 0) -> tuple[Weights, jax.Array]:
    """A layer whose router is sure enough of itself to fill some experts and not others."""
    weights = random_weights(E, D, H, seed)
    weights = weights._replace(router=40 * weights.router)
    rng = np.random.default_rng(seed + 1)
    return weights, jnp.asarray(rng.standard_normal((N, D)), jnp.float32)


def layer_named(name: str, factor: float) -> Layer:
    return {
        "einsum, 1 group": lambda: einsum_dispatch(factor, 1),
        "einsum, 4 groups": lambda: einsum_dispatch(factor, 4),
        "index, 1 group": lambda: index_dispatch(factor, 1),
        "index, 4 groups": lambda: index_dispatch(factor, 4),
        "ragged": ragged_dispatch,
    }[name]()


ALL = ["einsum, 1 group", "einsum, 4 groups", "index, 1 group", "index, 4 groups", "ragged"]


@pytest.mark.parametrize("name", ALL)
def test_with_room_for_all_every_dispatcher_agrees_with_ours(name: str) -> None:
    weights, x = inputs()
    y, probs = layer_named(name, ROOM_FOR_ALL)(weights, x)
    wanted, wanted_probs = ours(weights, ROOM_FOR_ALL)(weights, x)
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(probs, wanted_probs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_with_room_for_all_every_gradient_agrees_with_ours(name: str) -> None:
    weights, x = inputs()
    found = loss_gradients(layer_named(name, ROOM_FOR_ALL))(weights, x)
    wanted = loss_gradients(ours(weights, ROOM_FOR_ALL))(weights, x)
    for got, want in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        assert np.any(np.asarray(want) != 0)
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["einsum, 1 group", "index, 1 group"])
@pytest.mark.parametrize("factor", [0.5, 1.25])
@pytest.mark.parametrize("seed", range(3))
def test_in_one_group_the_same_tokens_are_dropped(name: str, factor: float, seed: int) -> None:
    weights, x = inputs(seed)
    y, _ = layer_named(name, factor)(weights, x)
    wanted, _ = ours(weights, factor)(weights, x)
    dropped = np.all(np.asarray(wanted) == 0, axis=1)
    assert 0 < dropped.sum() < N
    np.testing.assert_array_equal(np.all(np.asarray(y) == 0, axis=1), dropped)
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["einsum, 4 groups", "index, 4 groups"])
def test_each_group_is_a_layer_by_itself(name: str) -> None:
    weights, x = inputs()
    y, _ = layer_named(name, 1.25)(weights, x)
    alone = ours(weights, 1.25)
    wanted = np.concatenate([alone(weights, part)[0] for part in jnp.split(x, 4)])
    assert np.any(np.all(wanted == 0, axis=1))
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-5)


def test_the_dense_mlp_is_an_expert_without_its_gate() -> None:
    weights, x = inputs()
    one = Weights(weights.router[:, :1], *(array[:1] for array in weights[1:]))
    y, _ = dense_mlp()(one, x)
    # A router with one column gives every gate as 1.
    wanted, _ = ours(one, 1.0)(one, x)
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-5)
