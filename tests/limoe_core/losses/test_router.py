"""Router losses against plain loops in float64, and what each of them must reward."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from limoe_core import losses
from limoe_core.config import LossConfig

SHAPES = st.sampled_from([(1, 2), (3, 3), (8, 4), (21, 8)])  # few, since each one compiles
TIES = st.sampled_from([-3.0, -1.0, 0.0, 0.5, 2.0])
NUMBERS = st.floats(-8, 8, width=32, allow_subnormal=False)  # XLA takes them for 0


@st.composite
def routers(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits, noisy logits (n, E) float32, and a mask (n,) that may be empty."""
    n, experts = draw(SHAPES)
    values = draw(st.sampled_from([TIES, NUMBERS]))
    logits = draw(hnp.arrays(np.float32, (n, experts), elements=values))
    noise = draw(
        hnp.arrays(
            np.float32, (n, experts), elements=st.floats(-1, 1, width=32, allow_subnormal=False)
        )
    )
    mask = draw(hnp.arrays(np.bool_, n))
    return logits, logits + noise / np.float32(experts), mask


# ---- the independent calculations: one token and one expert at a time


def softmax(row: np.ndarray) -> list[float]:
    top = max(map(float, row))
    powers = [math.exp(float(x) - top) for x in row]
    return [p / sum(powers) for p in powers]


def softmaxes(logits: np.ndarray) -> np.ndarray:
    return np.array([softmax(row) for row in logits])


def entropy(p: Any) -> float:
    return -sum(float(x) * math.log(float(x)) for x in p if x > 0)


def variation(amounts: list[float]) -> float:
    mean = sum(amounts) / len(amounts)
    if mean == 0:
        return 0.0
    return sum((a - mean) ** 2 for a in amounts) / len(amounts) / mean**2


def importance_by_hand(probs: np.ndarray, valid: np.ndarray) -> float:
    amounts = [0.0] * probs.shape[1]
    for i in range(len(probs)):
        for e in range(probs.shape[1]):
            if valid[i]:
                amounts[e] += float(probs[i, e])
    return variation(amounts)


def load_by_hand(
    logits: np.ndarray,
    noisy: np.ndarray,
    top_k: int,
    valid: np.ndarray,
    deviation: float | None = None,
) -> float:
    experts = logits.shape[1]
    deviation = deviation or 1 / experts
    amounts = [0.0] * experts
    for i in range(len(logits)):
        if not valid[i]:
            continue
        kth_largest = sorted(map(float, noisy[i]), reverse=True)[top_k - 1]
        for e in range(experts):
            z = (kth_largest - float(logits[i, e])) / deviation
            amounts[e] += 0.5 * math.erfc(z / math.sqrt(2))  # 1 − Φ(z)
    return variation(amounts)


def z_by_hand(logits: np.ndarray, valid: np.ndarray) -> float:
    terms = []
    for row, real in zip(logits, valid, strict=True):
        if real:
            top = max(map(float, row))
            terms.append((top + math.log(sum(math.exp(float(x) - top) for x in row))) ** 2)
    return sum(terms) / len(terms) if terms else 0.0


def local_by_hand(probs: np.ndarray, mask: np.ndarray) -> float:
    terms = [entropy(row) for row, real in zip(probs, mask, strict=True) if real]
    return sum(terms) / len(terms) if terms else 0.0


def global_by_hand(probs: np.ndarray, mask: np.ndarray, threshold: float) -> float:
    rows = [row for row, real in zip(probs, mask, strict=True) if real]
    if not rows:
        return 0.0
    mean = [sum(float(row[e]) for row in rows) / len(rows) for e in range(probs.shape[1])]
    return max(0.0, threshold - entropy(mean))


def close(found: Any, wanted: float) -> None:
    assert found.shape == ()
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(float(found), wanted, rtol=1e-5, atol=1e-5)


# ---- agreement

importance_loss = jax.jit(losses.importance_loss)
load_loss = jax.jit(losses.load_loss, static_argnums=(2, 4))
z_loss = jax.jit(losses.z_loss)
local_entropy = jax.jit(losses.local_entropy)
global_entropy = jax.jit(losses.global_entropy)


@given(routers())
def test_importance_loss_agrees(router: tuple) -> None:
    logits, _, valid = router
    probs = softmaxes(logits).astype(np.float32)
    close(importance_loss(probs, valid), importance_by_hand(probs, valid))


@given(routers(), st.integers(1, 3), st.sampled_from([None, 0.1, 0.7]))
def test_load_loss_agrees(router: tuple, top_k: int, deviation: float | None) -> None:
    logits, noisy, valid = router
    top_k = min(top_k, logits.shape[1])
    found = load_loss(logits, noisy, top_k, valid, deviation)
    close(found, load_by_hand(logits, noisy, top_k, valid, deviation))


@given(routers())
def test_z_loss_agrees(router: tuple) -> None:
    logits, _, valid = router
    close(z_loss(logits, valid), z_by_hand(logits, valid))


@given(routers())
def test_local_entropy_agrees(router: tuple) -> None:
    logits, _, mask = router
    probs = softmaxes(logits).astype(np.float32)
    close(local_entropy(probs, mask), local_by_hand(probs, mask))


@given(routers(), st.floats(0, 4, width=32))
def test_global_entropy_agrees(router: tuple, threshold: float) -> None:
    logits, _, mask = router
    probs = softmaxes(logits).astype(np.float32)
    close(global_entropy(probs, mask, threshold), global_by_hand(probs, mask, threshold))


# ---- gradients, against differences of the loops in float64

LOSSES_OF_LOGITS: dict[str, tuple[Callable, Callable]] = {
    "importance": (
        lambda z, m: losses.importance_loss(jax.nn.softmax(z), m),
        lambda z, m: importance_by_hand(softmaxes(z), m),
    ),
    "load": (
        lambda z, m: losses.load_loss(z, z, 2, m),
        lambda z, m: load_by_hand(z, z, 2, m),
    ),
    "z": (losses.z_loss, z_by_hand),
    "local": (
        lambda z, m: losses.local_entropy(jax.nn.softmax(z), m),
        lambda z, m: local_by_hand(softmaxes(z), m),
    ),
    "global": (
        lambda z, m: losses.global_entropy(jax.nn.softmax(z), m, 2.0),
        lambda z, m: global_by_hand(softmaxes(z), m, 2.0),
    ),
}


@pytest.mark.parametrize("name", sorted(LOSSES_OF_LOGITS))
def test_gradients_agree(name: str) -> None:
    ours, by_hand = LOSSES_OF_LOGITS[name]
    rng = np.random.default_rng(7)
    logits = rng.normal(size=(6, 4))
    mask = np.array([True, True, False, True, True, False])
    found = jax.grad(lambda z: ours(z, mask))(jnp.asarray(logits, jnp.float32))
    step = 1e-5
    for index in np.ndindex(logits.shape):
        up, down = logits.copy(), logits.copy()
        up[index] += step
        down[index] -= step
        slope = (by_hand(up, mask) - by_hand(down, mask)) / (2 * step)
        np.testing.assert_allclose(found[index], slope, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("name", sorted(LOSSES_OF_LOGITS))
def test_no_tokens_cost_nothing(name: str) -> None:
    ours, _ = LOSSES_OF_LOGITS[name]
    logits = jnp.asarray(np.random.default_rng(0).normal(size=(5, 4)), jnp.float32)
    value, slope = jax.value_and_grad(lambda z: ours(z, np.zeros(5, bool)))(logits)
    assert value == 0
    assert np.all(np.asarray(slope) == 0)


@pytest.mark.parametrize("name", sorted(LOSSES_OF_LOGITS))
def test_what_padding_holds_does_not_matter(name: str) -> None:
    ours, _ = LOSSES_OF_LOGITS[name]
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(8, 4)).astype(np.float32)
    mask = np.arange(8) < 5
    changed = np.where(mask[:, None], logits, 1e4 * rng.normal(size=(8, 4))).astype(np.float32)
    value, slope = jax.value_and_grad(lambda z: ours(z, mask))(jnp.asarray(logits))
    other, other_slope = jax.value_and_grad(lambda z: ours(z, mask))(jnp.asarray(changed))
    np.testing.assert_allclose(value, other, rtol=1e-6)
    np.testing.assert_allclose(slope[:5], other_slope[:5], rtol=1e-5, atol=1e-7)
    assert np.all(np.asarray(other_slope)[5:] == 0)
    np.testing.assert_allclose(value, ours(jnp.asarray(logits[:5]), mask[:5]), rtol=1e-6)


def test_padding_may_hold_no_numbers_at_all() -> None:
    rng = np.random.default_rng(1)
    logits = jnp.asarray(rng.normal(size=(8, 4)), jnp.float32)
    mask = jnp.arange(8) < 5
    nothing = jnp.where(mask[:, None], logits, jnp.nan)
    for name, (ours, _) in LOSSES_OF_LOGITS.items():
        np.testing.assert_allclose(ours(nothing, mask), ours(logits, mask), rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("name", sorted(LOSSES_OF_LOGITS))
def test_order_of_tokens_and_names_of_experts_do_not_matter(name: str) -> None:
    ours, _ = LOSSES_OF_LOGITS[name]
    rng = np.random.default_rng(2)
    logits = jnp.asarray(rng.normal(size=(9, 5)), jnp.float32)
    mask = jnp.asarray(rng.random(9) < 0.7)
    rows, columns = rng.permutation(9), rng.permutation(5)
    np.testing.assert_allclose(
        ours(logits, mask), ours(logits[rows][:, columns], mask[rows]), rtol=1e-5
    )


# ---- what each loss rewards


@pytest.mark.parametrize("experts", [2, 8, 32])
def test_balance_costs_nothing_and_collapse_costs_most(experts: int) -> None:
    valid = np.ones(experts, bool)
    balanced, collapsed = np.eye(experts), np.eye(experts)[[0] * experts]
    np.testing.assert_allclose(losses.importance_loss(balanced, valid), 0, atol=1e-6)
    np.testing.assert_allclose(losses.importance_loss(collapsed, valid), experts - 1, rtol=1e-5)
    far = 100 * balanced
    np.testing.assert_allclose(losses.load_loss(far, far, 1, valid), 0, atol=1e-6)
    far = 100 * collapsed
    np.testing.assert_allclose(losses.load_loss(far, far, 1, valid), experts - 1, rtol=1e-5)


@pytest.mark.parametrize("experts", [2, 8, 32])
def test_entropy_is_zero_when_sure_and_log_e_when_not(experts: int) -> None:
    mask = np.ones(4, bool)
    np.testing.assert_allclose(losses.local_entropy(np.eye(experts)[[0] * 4], mask), 0, atol=1e-7)
    even = np.full((4, experts), 1 / experts)
    np.testing.assert_allclose(losses.local_entropy(even, mask), math.log(experts), rtol=1e-6)


def test_global_entropy_asks_for_enough_experts_and_no_more() -> None:
    mask = np.ones(4, bool)
    threshold = math.log(2)
    one, two, four = np.eye(4)[[0] * 4], np.eye(4)[[0, 1, 0, 1]], np.eye(4)
    np.testing.assert_allclose(losses.global_entropy(one, mask, threshold), threshold, rtol=1e-6)
    np.testing.assert_allclose(losses.global_entropy(two, mask, threshold), 0, atol=1e-6)
    assert losses.global_entropy(four, mask, threshold) == 0


def test_certain_tokens_have_finite_gradients() -> None:
    """At p = 0 the derivative of p log p is infinite; a sure router must not poison the weights."""
    certain = jnp.eye(4)
    mask = jnp.ones(4, bool)
    for slope in (
        jax.grad(losses.local_entropy)(certain, mask),
        jax.grad(losses.global_entropy)(certain, mask, 2.0),
        jax.grad(losses.importance_loss)(certain, mask),
        jax.grad(lambda z: losses.local_entropy(jax.nn.softmax(z), mask))(1e4 * certain),
        jax.grad(lambda z: losses.load_loss(z, z, 1, mask))(1e4 * certain),
    ):
        assert np.all(np.isfinite(slope))


def test_losses_are_float32_whatever_comes_in() -> None:
    half = jnp.asarray(np.random.default_rng(4).normal(size=(6, 4)), jnp.bfloat16)
    mask = jnp.ones(6, bool)
    exact = half.astype(jnp.float32)
    for found, wanted in (
        (losses.z_loss(half, mask), losses.z_loss(exact, mask)),
        (losses.load_loss(half, half, 1, mask), losses.load_loss(exact, exact, 1, mask)),
    ):
        assert found.dtype == jnp.float32
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


# ---- the sum of them


def test_total_is_the_weighted_mean_over_the_losses_in_use() -> None:
    values = {
        "importance": jnp.float32(1.0),
        "load": jnp.float32(2.0),
        "z_loss": jnp.float32(4.0),
        "local_entropy_image": jnp.float32(100.0),
        "local_entropy_text": jnp.float32(8.0),
        "global_entropy_image": jnp.float32(16.0),
        "global_entropy_text": jnp.float32(32.0),
    }
    config = LossConfig(
        auxiliary=0.04, importance=1.0, load=0.5, z_loss=0.0, local_entropy_image=0.0,
        local_entropy_text=2.0, global_entropy_image=1.0, global_entropy_text=1.0,
    )  # fmt: skip
    wanted = 0.04 * (1 + 0.5 * 2 + 2 * 8 + 16 + 32) / 5
    np.testing.assert_allclose(losses.auxiliary_total(values, config), wanted, rtol=1e-6)


def test_all_losses_off_adds_nothing() -> None:
    off = LossConfig(
        importance=0, load=0, z_loss=0, local_entropy_image=0, local_entropy_text=0,
        global_entropy_image=0, global_entropy_text=0,
    )  # fmt: skip
    assert losses.auxiliary_total({"importance": jnp.float32(3.0)}, off) == 0
    assert losses.auxiliary_total({}, LossConfig()) == 0
