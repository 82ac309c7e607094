"""Runs that look trained, without training: their parameters are random everywhere.

`python -m tests.limoe_core.training.trained RUN SOURCE MESH` starts a run with four experts from
one of them and stops before the first step.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from limoe_core.config import Config
from limoe_core.devices import processes
from limoe_core.model.functional import FunctionalModel, Params
from limoe_core.runs import Run
from limoe_core.training.fitting import LOWERED
from limoe_core.training.prepare import Start
from limoe_core.training.source import Source
from limoe_core.training.start import start_or_restore
from limoe_core.training.step import TrainState


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


def started(path: Path, config: Config, **options: Any) -> tuple[Run, TrainState]:
    """A run up to its first step, and its state."""
    start = Start.checked(path, config, **{"resume": False, "mesh": "", **options})
    run, _, batches = start.written()
    with run.checkpoints() as store:
        state = start_or_restore(
            run, store, start.functional, batches, start.devices, start.initial
        )
    return run, state


if __name__ == "__main__":
    processes.join()
    run, source, mesh = sys.argv[1:]
    settings = part(Source.named(source).settings(), "model", experts=4)
    started(Path(run), settings, mesh=mesh, init_from=source)
