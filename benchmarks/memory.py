"""Memory of a training step and of the contrastive loss, as planned by XLA."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.stages import Compiled

from benchmarks.measure import Line
from benchmarks.training import (
    abstract_state,
    patches_seen,
    random_batch,
    step_function,
    with_batch,
)
from limoe_core.config import Config
from limoe_core.losses import Labels, contrast
from limoe_core.presets import preset
from limoe_core.training.step import lowered

_BATCHES = (32, 64, 128, 256)
_GLOBAL_BATCHES = (256, 1024, 4096, 16384)
_BLOCK = 256
"""Rows of the similarity matrix per block."""


def run(
    name: str = "emoji-tiny",
    batches: Sequence[int] = _BATCHES,
    global_batches: Sequence[int] = _GLOBAL_BATCHES,
) -> list[Line]:
    """Temporary memory beyond the parameters, the optimizer's state and the batch."""
    config = preset(name)
    found = [line for size in batches for line in _step_lines(with_batch(config, size), name)]
    width = config.model.embed_dim
    return found + [
        _loss_line(size, width, block) for size in global_batches for block in (0, _BLOCK)
    ]


def _step_lines(config: Config, name: str) -> list[Line]:
    remat = dataclasses.replace(config, model=dataclasses.replace(config.model, remat="full"))
    size, state = config.data.batch_size, abstract_state(config)
    held = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    plain, recomputed = _step(config), _step(remat)
    how = (
        f"{name}, {patches_seen(config)} patches a picture; temporary buffers of the compiled step"
    )
    return [
        Line(
            name=f"memory of a training step, batch {size}",
            value=plain / 1e6,
            unit="MB",
            how=f"{how}, beyond {held / 1e6:.3g} MB of parameters and optimizer state",
        ),
        Line(
            name=f"memory of a training step, batch {size}, rematerialised",
            value=recomputed / 1e6,
            unit="MB",
            how=f"{recomputed / plain:.2f} of the memory without",
        ),
    ]


def _step(config: Config) -> int:
    batch = jax.eval_shape(lambda x: x, random_batch(config))
    return _temporary(lowered(step_function(config), abstract_state(config), batch).compile())


def _loss_line(size: int, width: int, block: int) -> Line:
    embeddings = jax.ShapeDtypeStruct((size, width), jnp.float32)
    temperature = jax.ShapeDtypeStruct((), jnp.float32)
    # As in training with one caption a picture: concepts, copies and texts.
    columns: Any = jax.ShapeDtypeStruct((size, 3), jnp.int32)

    def loss(
        images: jax.Array, texts: jax.Array, temperature: jax.Array, labels: Labels
    ) -> jax.Array:
        return contrast(images, texts, temperature, block, labels)[0]

    gradients = jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2)))
    labels = Labels(columns, columns)
    compiled = gradients.lower(embeddings, embeddings, temperature, labels).compile()
    cut = f", in blocks of {block} rows" if block else ""
    return Line(
        name=f"memory of the contrastive loss, global batch {size}{cut}",
        value=_temporary(compiled) / 1e6,
        unit="MB",
        how=f"forward and backward, {width} channels, one device; one similarity matrix has "
        f"{4 * size**2 / 1e6:.4g} MB",
    )


def _temporary(compiled: Compiled) -> int:
    """Peak bytes of the compiled function's temporary buffers; it is not called."""
    analysis = compiled.memory_analysis()
    if analysis is None:
        raise RuntimeError("this JAX backend does not report how much memory a function needs")
    return int(analysis.temp_size_in_bytes)
