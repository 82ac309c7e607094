"""The expert layer, forward and backward, against other dispatchers and a dense MLP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.dispatch.dense import dense_mlp
from benchmarks.dispatch.einsum import einsum_dispatch
from benchmarks.dispatch.index import index_dispatch
from benchmarks.dispatch.layer import Layer, Weights, loss_gradients, random_weights
from benchmarks.dispatch.ours import ours
from benchmarks.dispatch.ragged import ragged_dispatch
from benchmarks.machine import Product, copy_run, product_runs, seconds_of, with_gradients
from benchmarks.measure import Line, Run, medians
from limoe_core.presets import preset

_GROUPS = 8
_INDEX = ("index dispatch, 1 group", f"index dispatch, {_GROUPS} groups")
_EINSUM = f"einsum dispatch, {_GROUPS} groups"
_RAGGED = "ragged_dot, dropless"
_OURS, _DENSE = "ours", "dense MLP"


class Case(NamedTuple):
    """One layer to measure, and the goals for its rivals' time over ours."""

    tokens: int
    width: int
    experts: int
    hidden: int
    factor: float = 1.25
    """Capacity factor."""
    repeats: int = 15
    """Repeats of ours, the index dispatches and the dense MLP."""
    slow_repeats: int = 5
    """Repeats of ours again, with rivals that take several times as long."""
    einsum_goal: float | None = None
    ragged_goal: float | None = None
    index_goal: float | None = None

    def __str__(self) -> str:
        sizes = f"{self.tokens}, {self.width}, {self.experts}, {self.hidden}"
        return f"({sizes}) at factor {self.factor}"


_SMALL = Case(20480, 128, 8, 512, einsum_goal=5, ragged_goal=4, index_goal=1.15)
_LARGE = Case(8192, 512, 32, 2048, slow_repeats=3, index_goal=1.15)


def run(cases: Sequence[Case] | None = None) -> list[Line]:
    """Lines for both sizes, and for the small one at the capacity factor of `emoji-tiny`."""
    if cases is None:
        own = preset("emoji-tiny").model.capacity_factor
        cases = [_SMALL, _LARGE]
        if own != _SMALL.factor:
            cases.append(Case(*_SMALL[:4], factor=own))
    bandwidth = _bandwidth()
    return [line for case in cases for line in _lines(case, bandwidth)]


def layers(case: Case) -> dict[str, Layer]:
    """All dispatchers that route to experts, by name."""
    shape = jax.eval_shape(lambda: random_weights(case.experts, case.width, case.hidden))
    return {
        _OURS: ours(shape, case.factor),
        _INDEX[0]: index_dispatch(case.factor, 1),
        _INDEX[1]: index_dispatch(case.factor, _GROUPS),
        _EINSUM: einsum_dispatch(case.factor, _GROUPS),
        _RAGGED: ragged_dispatch(),
    }


def _lines(case: Case, bandwidth: float) -> list[Line]:
    products = _products(case)
    runs = _runs(case)
    # Two rounds: functions of nearly the same speed are timed close together, and often.
    slow = {name: runs.pop(name) for name in (_EINSUM, _RAGGED)}
    seconds = medians({**runs, **product_runs(products)}, case.repeats)
    beside = medians({_OURS: runs[_OURS], **slow}, case.slow_repeats)
    # Every token's row is read and written on its way to the expert and back, and both again in
    # the backward pass.
    moved = 4 * 2 * 4 * case.tokens * case.width
    least = seconds_of(products, seconds) + moved / bandwidth
    times = ", ".join(f"{name} {1000 * seconds[name]:.4g} ms" for name in runs)
    floor = (
        f"least {1000 * least:.4g} ms: {sum(p.flops for p in products) / 1e9:.4g} GFLOP at "
        f"{sum(p.flops for p in products) / seconds_of(products, seconds) / 1e9:.4g} GFLOP/s and "
        f"{moved / 1e6:.4g} MB at {bandwidth / 1e9:.3g} GB/s"
    )
    how = f"(n, d, E, h), K = 1, forward and backward, medians of {case.repeats} in turn"

    def against(
        name: str, goal: float | None, more: str, times: dict[str, float], repeats: int
    ) -> Line:
        title = "better index dispatch" if name in _INDEX else name
        return Line(
            name=f"expert layer {case}: {title} ÷ ours",
            value=times[name] / times[_OURS],
            goal=goal,
            bound="at least",
            limit=times[name] / least,
            how=f"{1000 * times[name]:.4g} ms and {1000 * times[_OURS]:.4g} ms, medians of "
            f"{repeats} in turn; {more}",
        )

    index = min(_INDEX, key=seconds.__getitem__)
    either = f"V-MoE, 1 or {_GROUPS} groups, here {index}; equal capacity"
    return [
        Line(
            name=f"expert layer {case}: ours",
            value=1000 * seconds[_OURS],
            unit="ms",
            limit=1000 * least,
            how=f"{how}; {_kept(case):.1%} of tokens kept; {times}; {floor}",
        ),
        Line(
            name=f"expert layer {case}: ours ÷ dense MLP",
            value=seconds[_OURS] / seconds[_DENSE],
            limit=least / seconds[_DENSE],
            how=f"{1000 * seconds[_DENSE]:.4g} ms for one MLP of an expert's size on all tokens",
        ),
        against(
            _EINSUM, case.einsum_goal, "GShard, Switch; equal capacity", beside, case.slow_repeats
        ),
        against(index, case.index_goal, either, seconds, case.repeats),
        against(
            _RAGGED, case.ragged_goal, "jax.lax.ragged_dot; keeps all", beside, case.slow_repeats
        ),
    ]


def _runs(case: Case) -> dict[str, Run]:
    weights, x = _inputs(case)
    one = Weights(weights.router[:, :1], *(array[:1] for array in weights[1:]))

    def run_of(layer: Layer, weights: Weights) -> Run:
        step = jax.jit(loss_gradients(layer))
        return lambda: step(weights, x)

    found = {name: run_of(layer, weights) for name, layer in layers(case).items()}
    return {**found, _DENSE: run_of(dense_mlp(), one)}


def _inputs(case: Case) -> tuple[Weights, jax.Array]:
    rng = np.random.default_rng(1)
    x = jnp.asarray(rng.standard_normal((case.tokens, case.width)), jnp.float32)
    return random_weights(case.experts, case.width, case.hidden), x


def _products(case: Case) -> list[Product]:
    """The work of any dispatcher: every token through one expert, with gradients."""
    rows = case.tokens // case.experts
    return [
        *with_gradients(Product(rows, case.width, case.hidden, case.experts)),
        *with_gradients(Product(rows, case.hidden, case.width, case.experts)),
    ]


def _kept(case: Case) -> float:
    """Share of tokens that our layer keeps; a dropped token's output is exactly 0."""
    weights, x = _inputs(case)
    y, _ = jax.jit(layers(case)[_OURS])(weights, x)
    return float(jnp.mean(jnp.any(y != 0, axis=1)))


def _bandwidth() -> float:
    """Bandwidth in bytes per second."""
    copy, moved = copy_run()
    return moved / medians({"copy": copy})["copy"]
