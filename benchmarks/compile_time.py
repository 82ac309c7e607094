"""How long one waits before the first step and before the dashboard's first answer."""

from __future__ import annotations

import time
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.measure import Line
from benchmarks.training import abstract_state, random_batch, step_function
from limoe_core.config import Config, preset
from limoe_core.functional import FunctionalModel


def run(name: str = "emoji-tiny") -> list[Line]:
    """Cold compile times; a part's process is fresh, so nothing has been compiled before."""
    jax.config.update("jax_enable_compilation_cache", False)
    config = preset(name)
    return [_forward(config, name), _train_step(config, name)]


def _train_step(config: Config, name: str) -> Line:
    # Made before the clock starts: what they compile is not the step's.
    batch, state = random_batch(config), abstract_state(config)
    traced, compiled = _seconds(lambda: step_function(config), state, batch)
    return Line(
        name="compiling the training step",
        value=traced + compiled,
        unit="s",
        how=f"{name}, batch {config.data.batch_size}: {traced:.3g} s tracing, {compiled:.3g} s XLA",
    )


def _forward(config: Config, name: str) -> Line:
    model, params = config.model, abstract_state(config).params
    traced, compiled = _seconds(
        lambda: FunctionalModel.of(config).forward,
        params,
        jax.ShapeDtypeStruct((1, model.image_size, model.image_size, 3), jnp.float32),
        jax.ShapeDtypeStruct((1, model.text_length), jnp.int32),
        jax.ShapeDtypeStruct((1,), jnp.bool_),
        None,
        capacity_factor=model.eval_capacity_factor,
        batch_priority=model.batch_priority,
        hidden=False,
    )
    return Line(
        name="compiling the dashboard's forward pass",
        value=traced + compiled,
        unit="s",
        how=f"{name}, one pair: {traced:.3g} s tracing, {compiled:.3g} s XLA",
    )


def _seconds(make: Any, *arguments: Any, **options: Any) -> tuple[float, float]:
    """Seconds of tracing and lowering, and of XLA's compiling, the first time."""
    start = time.perf_counter()
    lowered = make().lower(*arguments, **options)
    traced = time.perf_counter()
    lowered.compile()
    return traced - start, time.perf_counter() - traced
