"""Balancing without a loss, a shared expert and finer experts."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from limoe_core.model.router import Intervention
from tests.limoe_core.model.by_hand import (
    Layer,
    call,
    gelu,
    make,
    mlp,
    moe_by_hand,
    probabilities,
    tokens,
)


def balanced_by_hand(
    layer: Layer, bias: np.ndarray, x: np.ndarray, modality: np.ndarray, top_k: int, places: int
) -> tuple[np.ndarray, np.ndarray]:
    """Output and choices where a bias per modality chooses: one token after another, BPR."""
    gates = probabilities(layer, x)
    n, experts = gates.shape
    expert = np.zeros((n, top_k), int)
    for i in range(n):
        scores = [gates[i, e] + bias[modality[i], e] for e in range(experts)]
        expert[i] = sorted(range(experts), key=lambda e: -scores[e])[:top_k]
    # The surest goes first, by the gate of its first choice: a bias gives no right of way.
    order = sorted(range(n), key=lambda i: -gates[i, expert[i, 0]])
    y, taken = np.zeros_like(x), [0] * experts
    for rank in range(top_k):
        for i in order:
            e = expert[i, rank]
            if taken[e] < places:
                taken[e] += 1
                y[i] += gates[i, e] * mlp(layer, e, x[i])
    return y, expert


@pytest.mark.parametrize("top_k", [1, 2])
def test_a_balancing_bias_chooses_and_does_not_weigh(top_k: int) -> None:
    moe, layer = make(top_k=top_k, balance="modality")
    rng = np.random.default_rng(0)
    bias = rng.normal(size=(2, 4)).astype(np.float32) * 0.3
    moe.balance[...] = jnp.asarray(bias)
    x, valid = tokens(8, n=40, padding=0)
    modality = np.arange(40) % 2
    plain, _ = make(top_k=top_k)
    _, before = call(plain, x, valid, modality=modality)
    y, routing = call(moe, x, valid, modality=modality, capacity_factor=1.0)
    wanted, expert = balanced_by_hand(
        layer, bias, x.astype(np.float64), modality, top_k, places=10 * top_k
    )
    np.testing.assert_array_equal(routing.assignment.expert, expert)
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-5)
    assert np.any(before.assignment.expert != expert), "the bias must change something"
    np.testing.assert_array_equal(routing.probs, before.probs)
    chosen = np.take_along_axis(probabilities(layer, x.astype(np.float64)), expert, axis=1)
    np.testing.assert_allclose(routing.gate, chosen, rtol=1e-5)


def test_a_bias_brings_back_no_expert_that_is_switched_off() -> None:
    moe, _ = make(balance="all")
    moe.balance[...] = jnp.zeros((2, 4)).at[:, 2].set(5.0)
    x, valid = tokens(6, n=40, padding=0)
    off = jnp.zeros((2, 4)).at[:, 2].set(-jnp.inf)
    _, before = call(moe, x, valid)
    switch = Intervention(bias=off, silence=jnp.zeros((2, 4), bool))
    _, after = call(moe, x, valid, intervention=switch)
    assert np.all(before.assignment.expert == 2)
    assert not np.any(after.assignment.expert == 2)


@pytest.mark.parametrize("balance", ["all", "modality"])
def test_a_bias_moves_against_the_load(balance: str) -> None:
    moe, _ = make(balance=balance, balance_rate=0.125)
    start = np.array([[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]])
    choices = np.array([[9, 0, 3, 0], [0, 0, 5, 3]])
    moe.balance[...] = jnp.asarray(start, jnp.float32)
    moe.after_update(jnp.asarray(choices, jnp.float32))
    wanted = start.copy()
    for m in range(2):
        counted = choices.sum(axis=0) if balance == "all" else choices[m]
        for e in range(4):
            even = counted.sum() / 4
            wanted[m, e] += 0.125 if counted[e] < even else -0.125 if counted[e] > even else 0
    np.testing.assert_array_equal(moe.balance[...], wanted)
    assert (wanted[0] - start[0]).tolist() == (
        [-0.125, 0.125, -0.125, 0.125] if balance == "all" else [-0.125, 0.125, 0.0, 0.125]
    )


def test_a_bias_of_a_modality_evens_out_its_load() -> None:
    """Tokens that all prefer one expert are spread in the end, each modality by itself."""
    moe, _ = make(balance="modality", balance_rate=0.01)
    x, valid = tokens(9, n=400, padding=0)
    x = x + np.asarray(moe.router[...])[:, 1]
    moe.router[...] = 0.3 * moe.router[...]
    modality = np.arange(400) % 2
    counted = []
    for _ in range(200):
        _, routing = call(moe, x, valid, modality=modality, capacity_factor=0.0)
        expert = np.asarray(routing.assignment.expert[:, 0])
        counts = np.stack([np.bincount(expert[modality == m], minlength=4) for m in (0, 1)])
        counted.append(counts)
        moe.after_update(jnp.asarray(counts, jnp.float32))
    assert counted[0].max() > 140
    late = np.mean(counted[-20:], axis=0)
    np.testing.assert_allclose(late, 50, atol=5)


@pytest.mark.parametrize("layout", ["buffers", "segments"])
def test_every_token_passes_the_shared_expert_dropped_or_not(layout: str) -> None:
    moe, _ = make(shared_dim=10, expert_layout=layout)
    plain, _ = make(expert_layout=layout)
    x, valid = tokens(3)
    y, routing = call(moe, x, valid, capacity_factor=0.5)
    routed, _ = call(plain, x, valid, capacity_factor=0.5)
    assert np.any(~np.asarray(routing.assignment.kept)[valid]), "some must be dropped"
    w_in, w_out = moe.shared.w_in, moe.shared.w_out
    kernels = [np.asarray(w.kernel[...], np.float64) for w in (w_in, w_out)]
    assert kernels[0].shape == (8, 10)
    wanted = np.asarray(routed, np.float64)
    for i in np.flatnonzero(valid):
        wanted[i] += gelu(x[i].astype(np.float64) @ kernels[0]) @ kernels[1]
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layout", ["buffers", "segments"])
def test_finer_experts_agree_with_experts_one_at_a_time(layout: str) -> None:
    moe, layer = make(experts=8, top_k=4, expert_dim=3, expert_layout=layout)
    assert layer.w_in.shape == (8, 8, 3)
    x, valid = tokens(12)
    y, _ = call(moe, x, valid)
    wanted = moe_by_hand(layer, x.astype(np.float64), valid, 4, 1.25, True)
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-5)


def test_an_expert_cut_in_two_gives_the_same_in_halves() -> None:
    """The halves of a hidden layer add up to the whole: what `finer` rests on."""
    moe, whole = make(experts=2, top_k=1)
    halves, _ = make(experts=4, top_k=2, expert_dim=6)
    cut = {"router": np.repeat(whole.router, 2, axis=1)}
    for name, axis in (("w_in", 2), ("b_in", 1), ("w_out", 1)):
        parts = np.split(getattr(whole, name), 2, axis=axis)
        cut[name] = np.stack(parts, axis=1).reshape(4, *parts[0].shape[1:])
    cut["b_out"] = np.repeat(whole.b_out / 2, 2, axis=0)
    for name, values in cut.items():
        getattr(halves, name)[...] = jnp.asarray(values, jnp.float32)
    x, valid = tokens(2)
    y, routing = call(moe, x, valid, capacity_factor=0.0)
    z, finer = call(halves, x, valid, capacity_factor=0.0)
    np.testing.assert_array_equal(
        finer.assignment.expert // 2, routing.assignment.expert.repeat(2, 1)
    )
    # Each half weighs as much as half of the whole: the gate is shared between them.
    np.testing.assert_allclose(2 * np.asarray(z), y, rtol=1e-4, atol=1e-5)
