"""Runs that look trained, without training: their parameters are random everywhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from limoe_core.config import Config
from limoe_core.model.functional import FunctionalModel, Params
from limoe_core.runs import Run
from limoe_core.training.fitting import LOWERED
from limoe_core.training.prepare import Start


def part(config: Config, section: str, /, **settings: Any) -> Config:
    """The settings with some of one section changed."""
    return replace(config, **{section: replace(getattr(config, section), **settings)})


def trained_parameters(config: Config, seed: int = 1) -> Params:
    """Parameters without zeros, as biases and norms of a new model have them."""
    rng = np.random.default_rng(seed)
    shapes = FunctionalModel.of(config).shapes
    params = jax.tree.map(lambda x: jnp.asarray(rng.normal(0.1, 0.2, x.shape), x.dtype), shapes)
    return {**params, "log_temperature": jnp.float32(-2.0)}


def trained_run(path: Path, config: Config, *steps: int) -> Run:
    """A run with such parameters at some steps, and a tokenizer of its data."""
    run = Start.checked(path, config, resume=False, mesh="", lower=LOWERED).written()[0]
    with run.checkpoints(keep=0) as store:
        for step in steps:
            store.save(step, trained_parameters(run.config, seed=step))
    return run
