"""Assignment and the expert layer, against a queue of tokens served one at a time."""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from limoe_core.config import ModelConfig
from limoe_core.model.assignment import assign, capacity, capacity_of
from limoe_core.model.moe import MoE
from limoe_core.model.router import Intervention

SHAPES = st.sampled_from([(1, 2), (4, 3), (9, 4), (24, 8)])  # few, since each one compiles
TIES = st.sampled_from([0.0, 0.25, 0.5, 1.0])
NUMBERS = st.floats(0, 1, width=32, allow_subnormal=False)  # XLA takes them for 0


class Case(NamedTuple):
    gates: np.ndarray  # (n, E)
    valid: np.ndarray  # (n,)
    top_k: int
    capacity: int
    batch_priority: bool


@st.composite
def cases(draw: st.DrawFn) -> Case:
    n, experts = draw(SHAPES)
    values = draw(st.sampled_from([TIES, NUMBERS]))
    return Case(
        gates=draw(hnp.arrays(np.float32, (n, experts), elements=values)),
        valid=draw(hnp.arrays(np.bool_, n)),
        top_k=draw(st.integers(1, min(3, experts))),
        capacity=draw(st.integers(1, n + 1)),
        batch_priority=draw(st.booleans()),
    )


def assign_by_hand(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tokens come to the counter one at a time, once for each rank of choice."""
    n, experts = case.gates.shape
    expert = np.full((n, case.top_k), -1)
    slot = np.full((n, case.top_k), -1)
    kept = np.zeros((n, case.top_k), bool)
    real = [i for i in range(n) if case.valid[i]]
    if case.batch_priority:
        real.sort(key=lambda i: -float(max(case.gates[i])))  # stable: ties to the earlier token
    taken = [0] * experts
    for rank in range(case.top_k):
        for i in real:
            best = sorted(range(experts), key=lambda e: -float(case.gates[i, e]))
            e = best[rank]
            expert[i, rank] = e
            if taken[e] < case.capacity:
                slot[i, rank], kept[i, rank] = taken[e], True
                taken[e] += 1
    return expert, slot, kept


_compiled = jax.jit(assign, static_argnums=(2, 4))


def run(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`assign`, compiled once for all capacities."""
    found = _compiled(
        case.gates, case.valid, case.top_k, jnp.int32(case.capacity), case.batch_priority
    )
    return np.asarray(found.expert), np.asarray(found.slot), np.asarray(found.kept)


# ---- assign


@given(cases())
def test_assignment_agrees_with_the_queue(case: Case) -> None:
    for name, found, wanted in zip(
        ("expert", "slot", "kept"), run(case), assign_by_hand(case), strict=True
    ):
        np.testing.assert_array_equal(found, wanted, err_msg=name)


@given(cases())
def test_no_expert_over_capacity_and_no_place_used_twice(case: Case) -> None:
    expert, slot, kept = run(case)
    places = list(zip(expert[kept], slot[kept], strict=True))
    assert len(set(places)) == len(places)
    assert np.all((slot[kept] >= 0) & (slot[kept] < case.capacity))
    assert np.all(slot[~kept] == -1)
    assert np.bincount(expert[kept], minlength=1).max(initial=0) <= case.capacity


@given(cases())
def test_places_fill_from_the_first_and_nothing_is_dropped_while_there_is_room(case: Case) -> None:
    expert, slot, kept = run(case)
    for e in range(case.gates.shape[1]):
        used = sorted(slot[kept & (expert == e)])
        assert used == list(range(len(used)))
        wanted = np.sum((expert == e) & case.valid[:, None])
        assert len(used) == min(wanted, case.capacity)


@given(cases())
def test_padding_goes_nowhere_and_changes_nothing(case: Case) -> None:
    expert, slot, kept = run(case)
    assert np.all(expert[~case.valid] == -1)
    assert np.all(slot[~case.valid] == -1)
    assert not np.any(kept[~case.valid])
    other = case._replace(gates=np.where(case.valid[:, None], case.gates, np.float32(7)))
    for found, wanted in zip(run(other), (expert, slot, kept), strict=True):
        np.testing.assert_array_equal(found, wanted)
    if case.valid.any():
        alone = case._replace(gates=case.gates[case.valid], valid=np.ones(case.valid.sum(), bool))
        for found, wanted in zip(assign_by_hand(alone), (expert, slot, kept), strict=True):
            np.testing.assert_array_equal(found, wanted[case.valid])


@given(cases())
def test_a_token_chooses_its_largest_gates_best_first(case: Case) -> None:
    expert, _, _ = run(case)
    for i in np.flatnonzero(case.valid):
        chosen = case.gates[i, expert[i]]
        assert len(set(expert[i])) == case.top_k
        np.testing.assert_array_equal(chosen, np.sort(case.gates[i])[::-1][: case.top_k])


@given(SHAPES, st.integers(0, 2**32 - 1), st.integers(1, 2), st.integers(1, 6))
def test_under_bpr_the_order_of_tokens_does_not_matter(
    shape: tuple[int, int], seed: int, top_k: int, places: int
) -> None:
    n, experts = shape
    rng = np.random.default_rng(seed)
    gates = rng.permutation(n * experts).reshape(n, experts).astype(np.float32)  # no two alike
    valid = rng.random(n) < 0.8
    order = rng.permutation(n)
    case = Case(gates, valid, top_k, places, True)
    shuffled = case._replace(gates=gates[order], valid=valid[order])
    for found, wanted in zip(run(shuffled), run(case), strict=True):
        np.testing.assert_array_equal(found, wanted[order])


def test_bpr_keeps_the_surest_token_and_order_of_position_the_first() -> None:
    gates = jnp.asarray([[0.6, 0.4], [0.9, 0.1], [0.7, 0.3]])
    valid = jnp.ones(3, bool)
    assert assign(gates, valid, 1, 1, batch_priority=True).kept[:, 0].tolist() == [0, 1, 0]
    assert assign(gates, valid, 1, 1, batch_priority=False).kept[:, 0].tolist() == [1, 0, 0]
    assert assign(gates, valid, 1, 1).kept[:, 0].tolist() == [0, 1, 0], "BPR is the default"


def test_second_choices_wait_for_all_first_choices() -> None:
    """Token 0 is the surest, but its second choice comes after the first choice of token 1."""
    gates = jnp.asarray([[0.9, 0.1, 0.0], [0.2, 0.5, 0.3]])
    found = assign(gates, jnp.ones(2, bool), 2, 1)
    assert found.expert.tolist() == [[0, 1], [1, 2]]
    assert found.kept.tolist() == [[True, False], [True, True]]


def test_ties_go_to_the_earlier_token_and_the_lower_expert() -> None:
    found = assign(jnp.full((4, 3), 0.5), jnp.ones(4, bool), 2, 2)
    assert found.expert.tolist() == [[0, 1]] * 4
    assert found.slot.tolist() == [[0, 0], [1, 1], [-1, -1], [-1, -1]]


@pytest.mark.training
@settings(max_examples=20)
@given(cases())
def test_capacity_may_be_a_plain_number(case: Case) -> None:
    gates, valid = jnp.asarray(case.gates), jnp.asarray(case.valid)
    plain = assign(gates, valid, case.top_k, case.capacity, batch_priority=case.batch_priority)
    for found, wanted in zip(plain, run(case), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_zeros_of_either_sign_tie() -> None:
    found = assign(jnp.asarray([[-0.0, 0.0, -1.0]]), jnp.ones(1, bool), 2, 1)
    assert found.expert.tolist() == [[0, 1]]


def test_shapes_and_types() -> None:
    found = assign(jnp.zeros((5, 4)), jnp.ones(5, bool), 3, 2)
    assert found.expert.shape == found.slot.shape == found.kept.shape == (5, 3)
    assert found.expert.dtype == found.slot.dtype == jnp.int32
    assert found.kept.dtype == bool


@given(
    st.integers(1, 20_000),
    st.integers(1, 4),
    st.sampled_from([Fraction(1, 2), Fraction(1), Fraction(21, 20), Fraction(5, 4), Fraction(2)]),
    st.sampled_from([4, 8, 12, 32]),
)
def test_capacity_is_the_ceiling_of_a_share(
    tokens: int, top_k: int, factor: Fraction, experts: int
) -> None:
    exact = math.ceil(top_k * tokens * factor / experts)
    assert capacity(tokens, top_k, float(factor), experts) == max(1, min(tokens, exact))


@pytest.mark.parametrize(("tokens", "factor"), [(47_621, 1.05), (90_911, 1.1), (200_005, 1.25)])
def test_places_fit_the_buffer_of_a_large_group(tokens: int, factor: float) -> None:
    """A token with a place beyond its expert's buffer would land in the next expert's."""
    buffer = capacity(tokens, 1, factor, 2)
    places = capacity_of(jnp.int32(tokens), 1, factor, 2, buffer)
    assert buffer - 1 <= places <= buffer


# ---- the layer


class Layer(NamedTuple):
    """A layer's weights in float64, for the calculation by hand."""

    router: np.ndarray  # (d, E)
    w_in: np.ndarray  # (E, d, h)
    b_in: np.ndarray  # (E, h)
    w_out: np.ndarray  # (E, h, d)
    b_out: np.ndarray  # (E, d)


def make(
    *, experts: int = 4, top_k: int = 1, width: int = 8, seed: int = 0, **options: Any
) -> tuple[MoE, Layer]:
    """A layer with weights large enough for its routing to be uneven, and with biases."""
    config = ModelConfig(width=width, heads=2, mlp_dim=12, experts=experts, top_k=top_k, **options)
    moe = MoE(config, rngs=nnx.Rngs(seed))
    rng = np.random.default_rng(seed)
    for name in Layer._fields:
        parameter = getattr(moe, name)
        values = rng.normal(size=parameter[...].shape) * (1.0 if name == "router" else 0.4)
        parameter[...] = jnp.asarray(values, jnp.float32)
    return moe, by_hand_weights(moe)


def by_hand_weights(moe: MoE) -> Layer:
    return Layer(*(np.asarray(getattr(moe, name)[...], np.float64) for name in Layer._fields))


def gelu(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def mlp(layer: Layer, e: int, x: np.ndarray) -> np.ndarray:
    return gelu(x @ layer.w_in[e] + layer.b_in[e]) @ layer.w_out[e] + layer.b_out[e]


def probabilities(layer: Layer, x: np.ndarray) -> np.ndarray:
    logits = x @ layer.router
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def moe_by_hand(
    layer: Layer, x: np.ndarray, valid: np.ndarray, top_k: int, factor: float, priority: bool
) -> np.ndarray:
    gates = probabilities(layer, x)
    n, experts = gates.shape
    real = int(valid.sum())
    places = max(1, min(real, math.ceil(Fraction(factor) * top_k * real / experts)))
    expert, _, kept = assign_by_hand(Case(gates, valid, top_k, places, priority))
    y = np.zeros_like(x)
    for i in range(n):
        for rank in range(top_k):
            if kept[i, rank]:
                e = expert[i, rank]
                y[i] += gates[i, e] * mlp(layer, e, x[i])
    return y


@functools.partial(nnx.jit, static_argnames=("capacity_factor", "batch_priority"))
def compiled(moe: MoE, x: Any, valid: Any, modality: Any, **options: Any) -> tuple[Any, Any]:
    return moe(x, valid, modality, **options)


def call(moe: MoE, x: np.ndarray, valid: np.ndarray, **options: Any) -> tuple[Any, Any]:
    options = {"capacity_factor": 1.25, "batch_priority": True} | options
    modality = options.pop("modality", np.arange(len(x)) % 2)
    return compiled(
        moe,
        jnp.asarray(x, jnp.float32),
        jnp.asarray(valid),
        jnp.asarray(modality, jnp.int32),
        **options,
    )


def tokens(seed: int, n: int = 20, width: int = 8, padding: float = 0.25) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    valid = rng.random(n) >= padding
    valid[0] = True
    return rng.normal(size=(n, width)).astype(np.float32), valid


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
