"""The training step compiled ahead of time for virtual devices, to be measured and not run."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec

from limoe_core.config import Config, ConfigError
from limoe_core.data.pairs import stored_side
from limoe_core.devices.mesh import WHOLE, MeshShape, batch_spec, make_mesh, placed_shapes
from limoe_core.model.functional import FunctionalModel
from limoe_core.training.optimizer import make_optimizer
from limoe_core.training.step import Batch, TrainState, lowered, make_train_step

#: A shape stands for an array here.
_Shape: Any = jax.ShapeDtypeStruct


def provide_devices(number: int) -> None:
    """Make the CPU look like `number` devices; must come before JAX is asked for any.

    Raises:
      ConfigError: JAX has its devices already, and they are too few.
    """
    try:
        jax.config.update("jax_num_cpu_devices", number)
    except RuntimeError as error:
        if jax.device_count() < number:
            raise ConfigError(f"this process has {jax.device_count()} devices already") from error


def compile_step(config: Config, shape: MeshShape) -> Any:
    """The compiled step of `config` on a mesh of that shape."""
    # As accelerators run it, whatever compiles it here.
    config = dataclasses.replace(
        config, model=dataclasses.replace(config.model, expert_layout="buffers")
    )
    mesh = make_mesh(shape, jax.devices()[: shape.devices])
    functional = FunctionalModel.of(config)
    optimizer = make_optimizer(config.optimizer, config.train.steps, functional.roles)
    patches = max(1, round(config.train.patch_keep * config.model.patches))
    step = make_train_step(functional, optimizer, config, patches=patches)
    everywhere = NamedSharding(mesh, WHOLE)
    state = TrainState(
        placed_shapes(
            functional.shapes, mesh, functional.roles, split=config.train.shards_parameters
        ),
        placed_shapes(
            jax.eval_shape(optimizer.init, functional.shapes),
            mesh,
            functional.roles,
            split=config.train.shards_optimizer,
        ),
        _Shape((), jnp.int32, sharding=everywhere),
    )
    groups = config.train.groups
    pictures = config.data.batch_size // groups
    spec = batch_spec(groups, pictures, shape.devices)
    captions, length = config.data.captions_per_image, config.model.text_length
    side = stored_side(config.model.image_size)
    here = NamedSharding(mesh, spec)
    batch = Batch(
        _Shape((groups, pictures, side, side, 4), jnp.uint8, sharding=here),
        _Shape((groups, pictures, captions, length), jnp.int32, sharding=here),
        _Shape(
            (groups, pictures * captions, length),
            jnp.int32,
            sharding=NamedSharding(mesh, PartitionSpec(*spec[:1])),
        ),
        _Shape((groups, pictures, 2 + captions), jnp.int32, sharding=here),
    )
    with jax.set_mesh(mesh):
        return lowered(step, state, batch).compile()


def compiled_cost(config: Config, shape: MeshShape) -> dict[str, float]:
    """XLA's account of the compiled step, for each device: FLOPs, and bytes of memory."""
    compiled = compile_step(config, shape)
    costs = compiled.cost_analysis()
    memory = compiled.memory_analysis()
    return {
        "flops": float(costs["flops"]),
        "bytes_accessed": float(costs.get("bytes accessed", 0.0)),
        "arguments": float(memory.argument_size_in_bytes),
        "temporary": float(memory.temp_size_in_bytes),
    }
