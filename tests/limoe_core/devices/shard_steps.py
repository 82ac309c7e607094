"""Three steps with the state cut along `data` or not, saved and restored after the second.

`python -m tests.limoe_core.devices.shard_steps OUT FIRST:SECOND ...`, run in a process of its own,
since the number of devices is fixed when JAX starts. FIRST and SECOND are values of
`TrainConfig.shard`, before and after the checkpoint.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding

from limoe_core.config import Config
from limoe_core.devices.mesh import WHOLE, MeshShape, fetch, make_mesh, placed_shapes, shardings
from limoe_core.model.functional import FunctionalModel, initial_params
from limoe_core.runs.checkpoints import StepStore
from limoe_core.training.optimizer import make_optimizer
from limoe_core.training.placement import Placer
from limoe_core.training.step import TrainState, TrainStep, make_train_step
from tests.limoe_core.devices.mesh_steps import PATCHES, batch, settings

MESH, GROUPS = MeshShape(4, 2), 8


class Walker:
    """A mesh, and what is compiled for it with the state cut as `shard` says."""

    def __init__(self, shard: Any) -> None:
        base = settings(GROUPS)
        self.config: Config = dataclasses.replace(
            base,
            optimizer=dataclasses.replace(base.optimizer, name="muon", warmup_steps=0),
            train=dataclasses.replace(base.train, shard=shard),
        )
        train = self.config.train
        self.mesh = make_mesh(MESH)
        self.placer = Placer(self.config, self.mesh)
        functional = FunctionalModel.of(self.config)
        optimizer = make_optimizer(self.config.optimizer, 10, functional.roles)
        self.step: TrainStep = make_train_step(functional, optimizer, self.config, patches=PATCHES)
        shapes, roles = functional.shapes, functional.roles
        states = jax.eval_shape(optimizer.init, shapes)
        cut = {"split": train.shards_optimizer}
        self.targets = {
            "params": placed_shapes(shapes, self.mesh, roles, split=train.shards_parameters),
            "opt_state": placed_shapes(states, self.mesh, roles, **cut),
        }
        places = shardings(shapes, self.mesh, roles, split=train.shards_parameters)
        self.params = initial_params(self.config, 0, places)
        self.opt_state = jax.jit(
            optimizer.init, out_shardings=shardings(states, self.mesh, roles, **cut)
        )(self.params)

    def everywhere(self, step: int) -> jax.Array:
        """A step's number where the next step's is: elsewhere, the second step compiles anew."""
        return jax.device_put(np.int32(step), NamedSharding(self.mesh, WHOLE))

    def walk(self, state: TrainState, steps: range) -> tuple[TrainState, float]:
        """The state after some more steps, and the last loss."""
        loss = 0.0
        for step in steps:
            placed = self.placer(batch(step, self.placer.rows, GROUPS))
            with jax.set_mesh(self.mesh):
                state, metrics = self.step(state, placed)
            loss = float(metrics["loss"])
        return state, loss


def shares(tree: Any) -> float:
    """Share of all bytes of a tree that one device holds."""
    leaves = jax.tree.leaves(tree)
    here = sum(leaf.addressable_data(0).nbytes for leaf in leaves)
    return here / sum(leaf.nbytes for leaf in leaves)


def main(out: str, *walks: str) -> None:
    """Walk, and write what was found to one .npz file for each walk in the folder `out`."""
    jax.config.update("jax_num_cpu_devices", MESH.devices)
    walkers = {name: Walker(name) for walk in walks for name in walk.split(":")}
    for walk in walks:
        first, second = (walkers[name] for name in walk.split(":"))
        start = jax.tree.map(jnp.copy, (first.params, first.opt_state))  # steps donate it
        state, _ = first.walk(TrainState(*start, first.everywhere(0)), range(2))
        with StepStore(Path(out) / walk, keep=0, keep_period=0) as store:
            store.save(2, state.params, state.opt_state, {})
            back = store.restore_all(2, second.targets)
        state, loss = second.walk(
            TrainState(back["params"], back["opt_state"], second.everywhere(2)), range(2, 3)
        )
        found = {"share.params": shares(state.params), "share.opt_state": shares(state.opt_state)}
        for path, leaf in jax.tree_util.tree_leaves_with_path(
            fetch((state.params, state.opt_state), second.mesh)
        ):
            found[jax.tree_util.keystr(path, simple=True, separator=".")] = np.asarray(leaf)
        np.savez(Path(out) / f"{walk}.npz", loss=loss, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
