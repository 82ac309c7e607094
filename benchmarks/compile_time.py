"""Compile times of the first training step and of the dashboard's first answer."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental.compilation_cache import compilation_cache

from benchmarks.measure import Line
from benchmarks.training import abstract_state, random_batch, step_function
from limoe_core.config import Config
from limoe_core.devices.compiled import keep_compiled
from limoe_core.model.functional import FunctionalModel
from limoe_core.presets import preset
from limoe_core.training.step import lowered


def run(name: str = "emoji-tiny") -> list[Line]:
    """Cold compile times: each part has a fresh process, so nothing is compiled yet."""
    jax.config.update("jax_enable_compilation_cache", False)
    config = preset(name)
    cold, step = _forward(config, name), _train_step(config, name)
    return [cold, _forward_again(config, name, cold), step]


def _train_step(config: Config, name: str) -> Line:
    # Made before the clock starts, since making them compiles things too.
    batch, state = random_batch(config), abstract_state(config)
    traced, compiled = _seconds(lambda: lowered(step_function(config), state, batch))
    return Line(
        name="compiling the training step",
        value=traced + compiled,
        unit="s",
        how=f"{name}, batch {config.data.batch_size}: {traced:.3g} s tracing, {compiled:.3g} s XLA",
    )


def _forward(config: Config, name: str) -> Line:
    traced, compiled = _forward_seconds(config)
    return Line(
        name="compiling the dashboard's forward pass",
        value=traced + compiled,
        unit="s",
        goal=3.0,
        how=f"{name}, one pair: {traced:.3g} s tracing, {compiled:.3g} s XLA",
    )


def _forward_again(config: Config, name: str, cold: Line) -> Line:
    """Compile time of a second start, with the dashboard's cache on disk."""
    with tempfile.TemporaryDirectory(prefix="compiled-") as folder:
        jax.config.update("jax_enable_compilation_cache", True)
        compilation_cache.reset_cache()  # or it stays as it was when it was first asked for: off
        keep_compiled(Path(folder))
        jax.clear_caches()  # or it would not be compiled, and so not kept
        _forward_seconds(config)
        jax.clear_caches()
        traced, loaded = _forward_seconds(config)
        jax.config.update("jax_enable_compilation_cache", False)
    total = traced + loaded
    return Line(
        name="the dashboard's forward pass, compiled by an earlier start",
        value=total,
        unit="s",
        goal=1.0,
        how=f"{name}, one pair: {traced:.3g} s tracing, {loaded:.3g} s loading; "
        f"{total / (cold.value or total):.2f} of compiling",
    )


def _forward_seconds(config: Config) -> tuple[float, float]:
    model, params = config.model, abstract_state(config).params
    return _seconds(
        lambda: FunctionalModel.of(config).forward.lower(
            params,
            jax.ShapeDtypeStruct((1, model.image_size, model.image_size, 3), jnp.float32),
            jax.ShapeDtypeStruct((1, model.text_length), jnp.int32),
            jax.ShapeDtypeStruct((1,), jnp.bool_),
            None,
            capacity_factor=model.eval_capacity_factor,
            batch_priority=model.batch_priority,
            hidden=False,
        )
    )


def _seconds(lower: Callable[[], Any]) -> tuple[float, float]:
    """Seconds of tracing and lowering, and of XLA's compiling, of a first call."""
    start = time.perf_counter()
    program = lower()
    traced = time.perf_counter()
    program.compile()
    return traced - start, time.perf_counter() - traced
