"""A training step of LIMoE beside one of its dense twin."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.measure import Line, medians
from limoe_core.config import Config, dense_twin, preset
from limoe_core.functional import FunctionalModel, initial_params
from limoe_core.host import keep_freed_memory
from limoe_core.model import pack_places
from limoe_core.optimizer import make_optimizer
from limoe_core.train_step import Batch, TrainState, make_train_step

_REPEATS = 9


def run() -> list[Line]:
    """The ratio of the two steps, and the share of one that augments pictures is in both."""
    keep_freed_memory()
    config = preset("emoji-tiny")
    batch = _batch(config)
    seconds = medians(
        {"limoe": _step(config, batch), "dense": _step(dense_twin(config), batch)}, _REPEATS
    )
    how = (
        f"emoji-tiny, batch {config.data.batch_size}, capacity factor "
        f"{config.model.capacity_factor}, medians of {_REPEATS} interleaved steps; "
        f"{seconds['dense']:.2f} s for the dense step"
    )
    return [Line("training step ÷ dense twin's", seconds["limoe"] / seconds["dense"], 1.1, how)]


def _step(config: Config, batch: Batch) -> Callable[[], jax.Array]:
    functional = FunctionalModel.of(config)
    optimizer = make_optimizer(config.optimizer, config.train.steps)
    patches = round(config.train.patch_keep * config.model.patches)
    step = make_train_step(functional, optimizer, config, patches=patches)
    params = initial_params(config, 0)
    state = TrainState(params, optimizer.init(params), jnp.zeros((), jnp.int32))

    def run() -> jax.Array:
        nonlocal state
        state, metrics = step(state, batch)
        return metrics["loss"]

    return run


def _batch(config: Config) -> Batch:
    """Random pictures, and captions as long as real ones are (4.6 pieces on average)."""
    rng = np.random.default_rng(0)
    size, length = config.data.batch_size, config.model.text_length
    pictures = rng.integers(0, 256, (size, 72, 72, 4), dtype=np.uint8)
    shape = (size, config.data.captions_per_image, length)
    real = np.arange(length) < rng.poisson(4.6, (*shape[:2], 1)).clip(1, length)
    texts = np.where(real, rng.integers(2, config.model.vocab_size, shape), 0).astype(np.int32)
    packed = pack_places(texts.reshape(-1, length), shape[0] * shape[1])
    return Batch(jnp.asarray(pictures), jnp.asarray(texts), jnp.asarray(packed))
