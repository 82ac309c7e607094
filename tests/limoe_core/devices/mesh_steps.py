"""Five steps on meshes, written down.

`python -m tests.limoe_core.devices.mesh_steps OUT GROUPS:MESH ...`, run in a process of its own,
since the number of devices is fixed when JAX starts. With the environment of a cluster it joins the
other processes, and the first writes.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from limoe_core.config import Config, DataConfig, ModelConfig, TrainConfig
from limoe_core.data.negatives import pair_labels
from limoe_core.data.packing import pack_groups
from limoe_core.devices import processes
from limoe_core.devices.mesh import MeshShape, fetch, make_mesh, shardings
from limoe_core.model.functional import FunctionalModel, initial_params
from limoe_core.presets import preset
from limoe_core.training.placement import Placer
from limoe_core.training.step import TrainState, loss_and_gradients

STEPS, PICTURES, CAPTIONS, LENGTH, PATCHES = 5, 16, 2, 8, 8
#: Large enough that a wrong gradient would lead elsewhere, and small enough that a rounding error
#: does not grow from step to step.
RATE = 0.05


def settings(groups: int) -> Config:
    base = preset("debug")
    model = ModelConfig(
        image_size=32, text_length=LENGTH, vocab_size=300, width=16, layers=1, heads=2, mlp_dim=24,
        embed_dim=16, experts=8, moe_every=1, capacity_factor=1.25,
        shared_dim=8, balance="modality", balance_rate=0.01,
    )  # fmt: skip
    return dataclasses.replace(
        base,
        model=model,
        loss=dataclasses.replace(base.loss, auxiliary=1.0, min_experts_text=0.9),
        data=DataConfig(batch_size=PICTURES, captions_per_image=CAPTIONS),
        train=TrainConfig(routing_groups=groups),
    )


def batch(step: int, rows: np.ndarray, groups: int) -> dict[str, np.ndarray]:
    """What the input pipeline would give the process that reads `rows`."""
    rng = np.random.default_rng(step)
    texts = rng.integers(2, 300, (PICTURES, CAPTIONS, LENGTH))
    lengths = rng.integers(1, LENGTH, (PICTURES, CAPTIONS, 1))
    pictures = rng.integers(0, 256, (PICTURES, 40, 40, 4), dtype=np.uint8)
    texts = np.where(np.arange(LENGTH) < lengths, texts, 0).astype(np.int32)
    concepts, copies = rng.integers(0, PICTURES, (2, PICTURES), dtype=np.int32)
    labels = pair_labels(concepts, copies, texts)
    windows = pack_groups(
        texts.reshape(groups, -1, CAPTIONS, LENGTH), [PICTURES * CAPTIONS // groups]
    )
    return {"image": pictures[rows], "text": texts, "labels": labels, "windows": windows}


def walk(mesh_text: str, groups: int) -> dict[str, np.ndarray]:
    """Loss, gradients and statistics of every step, by name."""
    config = settings(groups)
    mesh = make_mesh(MeshShape.parse(mesh_text, jax.device_count()))
    placer = Placer(config, mesh)
    functional = FunctionalModel.of(config)
    params = initial_params(config, 0, shardings(functional.shapes, mesh, functional.roles))

    @jax.jit
    def step_of(params: Any, batch: Any, step: Any) -> Any:
        state = TrainState(params, None, step)
        gradients, metrics = loss_and_gradients(functional, config, PATCHES, state, batch)
        after = jax.tree.map(lambda p, g: p - RATE * g, params, gradients)
        after = functional.after_update(after, metrics["choices"])
        return after, gradients, metrics

    found: dict[str, np.ndarray] = {}
    for step in range(STEPS):
        with jax.set_mesh(mesh):
            params, gradients, metrics = step_of(
                params, placer(batch(step, placer.rows, groups)), jnp.int32(step)
            )
        told = fetch({"gradients": gradients, "metrics": metrics}, mesh)
        for path, leaf in jax.tree_util.tree_leaves_with_path(told):
            name = jax.tree_util.keystr(path, simple=True, separator=".")
            found[f"{step}.{name}"] = np.asarray(leaf)
    return found


def main(out: str, *walks: str) -> None:
    """Walk, and write what was found to one .npz file for each walk in the folder `out`."""
    # Virtual devices of a process, as XLA_FLAGS used to say.
    jax.config.update("jax_num_cpu_devices", int(os.environ.get("LIMOE_TEST_DEVICES", "1")))
    processes.join()
    for name in walks:
        groups, mesh = name.split(":")
        found = walk(mesh, int(groups))
        if processes.is_first():
            np.savez(Path(out) / f"{name}.npz", **found)  # type: ignore[arg-type]
    processes.wait_for_all("written")


if __name__ == "__main__":
    main(*sys.argv[1:])
