"""The expert layer, against experts one at a time."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st

from limoe_core.model.router import Intervention
from tests.limoe_core.model.by_hand import (
    by_hand_weights,
    call,
    make,
    mlp,
    moe_by_hand,
    probabilities,
    tokens,
)


@pytest.mark.parametrize("layout", ["buffers", "segments"])
@pytest.mark.parametrize("top_k", [1, 2, 3])
@pytest.mark.parametrize("priority", [True, False])
@pytest.mark.parametrize("factor", [0.5, 1.0, 1.25, 8.0])
def test_the_layer_agrees_with_experts_one_at_a_time(
    layout: str, top_k: int, priority: bool, factor: float
) -> None:
    moe, layer = make(top_k=top_k, expert_layout=layout)
    for seed in range(4):
        x, valid = tokens(seed)
        y, _ = call(moe, x, valid, capacity_factor=factor, batch_priority=priority)
        wanted = moe_by_hand(layer, x.astype(np.float64), valid, top_k, factor, priority)
        np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-5)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2]))
def test_every_kept_token_gets_its_own_back(seed: int, top_k: int) -> None:
    """With experts that return their input, kept tokens return times their gates, others as 0."""
    moe, _ = make(top_k=top_k)
    d, hidden = moe.w_in[...].shape[1:]
    # gelu(z) = z for large z: in with an offset of 100, out with the same taken away
    eye = np.zeros((4, d, hidden), np.float32)
    eye[:, :, :d] = np.eye(d)
    moe.w_in[...] = jnp.asarray(eye)
    moe.b_in[...] = jnp.full((4, hidden), 100.0)
    moe.w_out[...] = jnp.asarray(eye.transpose(0, 2, 1))
    moe.b_out[...] = jnp.full((4, d), -100.0)
    x, valid = tokens(seed)
    y, routing = call(moe, x, valid, capacity_factor=0.75)
    share = np.sum(np.where(routing.assignment.kept, routing.gate, 0), axis=1)
    np.testing.assert_allclose(y, x * share[:, None], atol=2e-4)
    assert np.asarray(routing.assignment.kept).any()


@pytest.mark.parametrize("top_k", [1, 2])
def test_with_room_for_all_and_equal_experts_it_is_one_mlp_times_the_gates(top_k: int) -> None:
    moe, _ = make(top_k=top_k)
    for name in ("w_in", "b_in", "w_out", "b_out"):
        parameter = getattr(moe, name)
        parameter[...] = jnp.broadcast_to(parameter[...][:1], parameter[...].shape)
    layer = by_hand_weights(moe)
    x, valid = tokens(5)
    gates = np.sort(probabilities(layer, x.astype(np.float64)), axis=1)[:, ::-1]
    wanted = gates[:, :top_k].sum(axis=1)[:, None] * mlp(layer, 0, x.astype(np.float64))
    for factor in (float(moe.config.experts), 0.0):  # 0 means room for every token
        y, routing = call(moe, x, valid, capacity_factor=factor)
        np.testing.assert_array_equal(routing.assignment.kept, valid[:, None].repeat(top_k, 1))
        np.testing.assert_allclose(y[valid], wanted[valid], rtol=1e-5, atol=1e-5)


@given(st.integers(0, 2**32 - 1))
def test_padding_changes_no_output(seed: int) -> None:
    moe, _ = make()
    x, valid = tokens(seed)
    y, routing = call(moe, x, valid)
    assert np.all(np.asarray(y)[~valid] == 0)
    noise = np.random.default_rng(seed).normal(size=x.shape).astype(np.float32) * 50
    other, _ = call(moe, np.where(valid[:, None], x, noise), valid)
    np.testing.assert_array_equal(y, other)
    # and more padding behind changes nothing either, though the buffers grow
    longer, longer_routing = call(
        moe, np.concatenate([x, noise]), np.concatenate([valid, np.zeros(len(x), bool)])
    )
    np.testing.assert_allclose(longer[: len(x)], y, rtol=1e-6, atol=1e-6)
    for name in ("expert", "slot", "kept"):
        np.testing.assert_array_equal(
            getattr(longer_routing.assignment, name)[: len(x)], getattr(routing.assignment, name)
        )


@given(st.integers(0, 2**32 - 1))
def test_the_order_of_tokens_does_not_matter(seed: int) -> None:
    moe, _ = make()
    x, valid = tokens(seed)
    order = np.random.default_rng(seed).permutation(len(x))
    y, _ = call(moe, x, valid, capacity_factor=0.75)
    shuffled, _ = call(moe, x[order], valid[order], capacity_factor=0.75)
    np.testing.assert_allclose(shuffled, np.asarray(y)[order], rtol=1e-5, atol=1e-6)


def test_gradients_are_those_of_a_dense_mixture() -> None:
    """Against autodiff through a sum over all experts with the same tokens masked away."""
    moe, _ = make(top_k=2)
    x, valid = tokens(11)
    _, routing = call(moe, x, valid, capacity_factor=0.75)
    chosen = jax.nn.one_hot(routing.assignment.expert, 4) * routing.assignment.kept[..., None]
    taken = jnp.sum(chosen, axis=1)  # (n, E)
    target = jnp.asarray(np.random.default_rng(0).normal(size=x.shape), jnp.float32)
    graph, state = nnx.split(moe)

    def sparse(state: Any, x: jax.Array) -> jax.Array:
        y, _ = call(nnx.merge(graph, state), x, valid, capacity_factor=0.75)
        return jnp.sum(y * target)

    def dense(state: Any, x: jax.Array) -> jax.Array:
        p = nnx.to_pure_dict(state)
        gates = jax.nn.softmax(x @ p["router"])
        hidden = jax.nn.gelu(jnp.einsum("nd,edh->neh", x, p["w_in"]) + p["b_in"])
        outs = jnp.einsum("neh,ehd->ned", hidden, p["w_out"]) + p["b_out"]
        return jnp.sum(jnp.einsum("ne,ne,ned->nd", taken, gates, outs) * target)

    found = jax.grad(sparse, argnums=(0, 1))(state, jnp.asarray(x))
    wanted = jax.grad(dense, argnums=(0, 1))(state, jnp.asarray(x))
    for got, want in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_a_group_of_padding_alone_gives_nothing() -> None:
    moe, _ = make()
    x, _ = tokens(0)
    valid = np.zeros(len(x), bool)
    y, routing = call(moe, x, valid)
    assert np.all(np.asarray(y) == 0)
    assert not np.any(routing.assignment.kept)


def test_noise_changes_choices_but_not_the_reported_distribution() -> None:
    moe, _ = make(experts=8)
    moe.router[...] = moe.router[...] * 0.01
    x, valid = tokens(2, n=400)
    _, clean = call(moe, x, valid)
    _, noisy = call(moe, x, valid, noise=jax.random.key(0))
    np.testing.assert_array_equal(clean.probs, noisy.probs)
    np.testing.assert_array_equal(clean.logits, clean.noisy_logits)
    added = np.asarray(noisy.noisy_logits - noisy.logits)
    np.testing.assert_allclose(added.std(), 1 / 8, rtol=0.05)
    np.testing.assert_allclose(added.mean(), 0, atol=0.01)
    assert np.mean(clean.assignment.expert[:, 0] != noisy.assignment.expert[:, 0]) > 0.2
    _, again = call(moe, x, valid, noise=jax.random.key(0))
    np.testing.assert_array_equal(noisy.noisy_logits, again.noisy_logits)


def test_the_router_stays_in_float32_when_the_rest_does_not() -> None:
    moe, layer = make(dtype="bfloat16")
    x, valid = tokens(3)
    y, routing = call(moe, x, valid)
    assert routing.logits.dtype == jnp.float32
    np.testing.assert_allclose(
        routing.probs, probabilities(layer, x.astype(np.float64)), rtol=1e-5, atol=1e-6
    )
    wanted = moe_by_hand(layer, x.astype(np.float64), valid, 1, 1.25, True)
    np.testing.assert_allclose(np.asarray(y, np.float32), wanted, atol=0.05)


def test_the_router_is_never_told_the_modality() -> None:
    moe, _ = make()
    x, valid = tokens(4)
    as_images, _ = call(moe, x, valid, modality=np.zeros(len(x)))
    as_texts, _ = call(moe, x, valid, modality=np.ones(len(x)))
    np.testing.assert_array_equal(as_images, as_texts)


def test_switching_an_expert_off_for_one_modality_sends_its_tokens_to_their_next_best() -> None:
    moe, layer = make()
    x, valid = tokens(6, n=40, padding=0)
    modality = np.arange(len(x)) % 2
    bias = jnp.zeros((2, 4)).at[1, 2].set(-jnp.inf)
    switch = Intervention(bias=bias, silence=jnp.zeros((2, 4), bool))
    _, before = call(moe, x, valid, modality=modality, capacity_factor=0.0)
    y, after = call(moe, x, valid, modality=modality, capacity_factor=0.0, intervention=switch)
    ranked = np.argsort(-probabilities(layer, x.astype(np.float64)), axis=1)
    moved = (ranked[:, 0] == 2) & (modality == 1)
    assert moved.any()
    assert ((ranked[:, 0] == 2) & (modality == 0)).any()
    wanted = np.where(moved, ranked[:, 1], ranked[:, 0])
    np.testing.assert_array_equal(after.assignment.expert[:, 0], wanted)
    np.testing.assert_array_equal(before.assignment.expert[:, 0], ranked[:, 0])
    np.testing.assert_array_equal(before.probs, after.probs)
    assert np.all(np.isfinite(y))


def test_a_silenced_expert_gives_nothing_and_routing_stays() -> None:
    moe, _ = make()
    x, valid = tokens(7, n=40, padding=0)
    modality = np.arange(len(x)) % 2
    silence = jnp.zeros((2, 4), bool).at[0, 1].set(True)
    switch = Intervention(bias=jnp.zeros((2, 4)), silence=silence)
    plain, before = call(moe, x, valid, modality=modality)
    y, after = call(moe, x, valid, modality=modality, intervention=switch)
    np.testing.assert_array_equal(before.assignment.expert, after.assignment.expert)
    hit = (np.asarray(before.assignment.expert[:, 0]) == 1) & (modality == 0)
    assert hit.any()
    assert np.all(np.asarray(y)[hit] == 0)
    np.testing.assert_array_equal(np.asarray(y)[~hit], np.asarray(plain)[~hit])


# ---- balancing, the shared expert, finer experts
