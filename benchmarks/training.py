"""A training step to measure, and batches for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from limoe_core.config import Config
from limoe_core.data.negatives import pair_labels
from limoe_core.data.packing import pack_groups
from limoe_core.devices.mesh import MeshShape, make_mesh
from limoe_core.model.functional import FunctionalModel, initial_params
from limoe_core.training.optimizer import make_optimizer
from limoe_core.training.placement import Placer
from limoe_core.training.step import Batch, TrainState, TrainStep, make_train_step

_PIECES = 4.6
"""Mean tokens of a caption of the emoji set under its tokenizer of 8,192 pieces."""
_SIDE = 72
"""Side of the input pipeline's pictures, in pixels."""


class Tokens(NamedTuple):
    """Numbers of real tokens in a batch, without padding."""

    pictures: int
    patches: int
    """Image tokens of one picture."""
    texts: np.ndarray
    """Tokens of each caption."""

    @property
    def images(self) -> int:
        return self.pictures * self.patches

    @property
    def total(self) -> int:
        return self.images + int(self.texts.sum())


def patches_seen(config: Config) -> int:
    """Patches per picture in most steps of a run."""
    return max(1, round(config.train.patch_keep * config.model.patches))


def with_batch(config: Config, size: int) -> Config:
    """The same settings with another batch size."""
    return dataclasses.replace(config, data=dataclasses.replace(config.data, batch_size=size))


def random_batch(config: Config) -> Batch:
    """Random pictures, and captions as long as those of the emoji set.

    Lengths follow a Poisson distribution around the emoji set's mean, so that packing and masks
    have real work; the seed is fixed, so that every call gives the same batch.
    """
    rng = np.random.default_rng(0)
    size, length = config.data.batch_size, config.model.text_length
    pictures = rng.integers(0, 256, (size, _SIDE, _SIDE, 4), dtype=np.uint8)
    shape = (size, config.data.captions_per_image, length)
    real = np.arange(length) < rng.poisson(_PIECES, (*shape[:2], 1)).clip(1, length)
    texts = np.where(real, rng.integers(2, config.model.vocab_size, shape), 0).astype(np.int32)
    alone = np.arange(size, dtype=np.int32)
    labels = pair_labels(alone, alone, texts)
    windows = pack_groups(texts.reshape(config.train.groups, -1, *texts.shape[1:]))
    batch: dict[str, np.ndarray] = {
        "image": pictures,
        "text": texts,
        "labels": labels,
        "windows": windows,
    }
    return Placer(config, one_device())(batch)


def one_device() -> Mesh:
    """The mesh of a single device."""
    return make_mesh(MeshShape(1, 1), jax.devices()[:1])


def tokens_of(batch: Batch, config: Config) -> Tokens:
    """Numbers of tokens that a step of this batch processes."""
    lengths = np.count_nonzero(np.asarray(batch.texts), axis=-1).reshape(-1)
    return Tokens(config.data.batch_size, patches_seen(config), lengths)


def step_function(config: Config) -> TrainStep:
    """The jitted training step, not compiled yet."""
    functional = FunctionalModel.of(config)
    optimizer = make_optimizer(config.optimizer, config.train.steps, functional.roles)
    return make_train_step(functional, optimizer, config, patches=patches_seen(config))


def first_state(config: Config) -> TrainState:
    """The state at the start of a run."""
    roles = FunctionalModel.of(config).roles
    optimizer = make_optimizer(config.optimizer, config.train.steps, roles)
    params = initial_params(config, config.train.seed)
    return TrainState(params, jax.jit(optimizer.init)(params), jnp.zeros((), jnp.int32))


def abstract_state(config: Config) -> TrainState:
    """The shapes of that state, for compiling without allocating."""
    roles = FunctionalModel.of(config).roles
    optimizer = make_optimizer(config.optimizer, config.train.steps, roles)
    params = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), FunctionalModel.of(config).shapes
    )
    start = jax.eval_shape(lambda: jnp.zeros((), jnp.int32))
    return TrainState(params, jax.eval_shape(optimizer.init, params), start)


def stepper(config: Config) -> Callable[[Batch], dict[str, Any]]:
    """A function that makes the next step at each call and returns its metrics."""
    step, state = step_function(config), first_state(config)

    def advance(batch: Batch) -> dict[str, Any]:
        nonlocal state
        state, metrics = step(state, batch)
        return metrics

    return advance
