"""Assignment and the expert layer by plain loops, as the tests compare them."""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from limoe_core.config import ModelConfig
from limoe_core.model.assignment import assign
from limoe_core.model.moe import MoE

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
