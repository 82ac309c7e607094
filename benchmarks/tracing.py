"""What it costs to keep the routing of a forward pass."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.measure import Line, medians
from limoe_core.config import preset
from limoe_core.functional import FunctionalModel, Params, initial_params
from limoe_core.model import Output

_PAIRS = 64


def run() -> list[Line]:
    """A forward pass that returns every router's decisions, over one that returns embeddings."""
    config = preset("emoji-tiny")
    functional = FunctionalModel.of(config)
    params = initial_params(config, seed=0)
    rng = np.random.default_rng(0)
    size, length = config.model.image_size, config.model.text_length
    pixels = jnp.asarray(rng.uniform(-1, 1, (_PAIRS, size, size, 3)))
    tokens = rng.integers(2, config.model.vocab_size, (_PAIRS, length))
    padded = np.where(np.arange(length) < rng.integers(1, 10, (_PAIRS, 1)), tokens, 0)
    ids = jnp.asarray(padded, jnp.int32)

    @jax.jit
    def traced(params: Params) -> Output:
        return functional.bind(params)(pixels, ids)._replace(hidden=[])

    @jax.jit
    def embeddings(params: Params) -> tuple[jax.Array, jax.Array]:
        output = functional.bind(params)(pixels, ids)
        return output.image_embeddings, output.text_embeddings

    seconds = medians({"traced": lambda: traced(params), "plain": lambda: embeddings(params)})
    how = f"emoji-tiny, {_PAIRS} pairs, medians of 15 interleaved calls"
    return [Line("forward with trace ÷ without", seconds["traced"] / seconds["plain"], 1.3, how)]
