"""The state that training starts with: fresh, of a trained run, or of the newest checkpoint."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding

from limoe_core.devices import processes
from limoe_core.devices.mesh import WHOLE, placed_shapes, shardings
from limoe_core.model.functional import FunctionalModel, initial_params
from limoe_core.runs import Run
from limoe_core.runs.checkpoints import StepStore
from limoe_core.training.initial import Initial
from limoe_core.training.optimizer import make_optimizer
from limoe_core.training.step import TrainState


def start_or_restore(
    run: Run,
    store: StepStore,
    functional: FunctionalModel,
    batches: Any,
    mesh: Mesh,
    initial: Initial | None = None,
) -> TrainState:
    """The state after the newest checkpoint, with the input set to go on there; else a new one.

    A new one with trained parameters is saved as step 0, so that the run needs its source no more.
    """
    config = run.config
    roles = functional.roles
    optimizer = make_optimizer(config.optimizer, config.train.steps, roles)
    steps = store.steps()
    if processes.is_first():
        run.truncate_metrics(steps[-1] if steps else -1)
    shapes = functional.shapes
    opt_shapes = jax.eval_shape(optimizer.init, shapes)
    if not steps:
        if initial is None:
            places = shardings(shapes, mesh, roles, split=config.train.shards_parameters)
            params = initial_params(config, config.train.seed, places)
        else:
            params = initial.parameters(config, run.tokenizer(), mesh)
        places = shardings(opt_shapes, mesh, roles, split=config.train.shards_optimizer)
        opt_state = jax.jit(optimizer.init, out_shardings=places)(params)
        if initial is not None:
            # What processes send each other while they save must not meet what is computed.
            jax.block_until_ready((params, opt_state))
            store.save(0, params, opt_state, batches.get_state())
        return TrainState(params, opt_state, _everywhere(0, mesh))
    targets = {
        "params": placed_shapes(shapes, mesh, roles, split=config.train.shards_parameters),
        "opt_state": placed_shapes(opt_shapes, mesh, roles, split=config.train.shards_optimizer),
    }
    restored = store.restore_all(steps[-1], targets)
    batches.set_state(restored["input"])
    params = functional.within_bounds(restored["params"])
    return TrainState(params, restored["opt_state"], _everywhere(steps[-1], mesh))


def _everywhere(step: int, mesh: Mesh) -> jax.Array:
    return jax.device_put(np.int32(step), NamedSharding(mesh, WHOLE))
