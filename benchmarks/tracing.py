"""Cost of keeping the routing of a forward pass."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.measure import Line, medians
from limoe_core.model.functional import FunctionalModel, Params, initial_params
from limoe_core.model.limoe import Output
from limoe_core.presets import preset

_PAIRS = 64
_REPEATS = 15


def run(name: str = "emoji-tiny", pairs: int = _PAIRS, repeats: int = _REPEATS) -> list[Line]:
    """Time of a forward pass that returns every router's decisions, over a plain one."""
    config = preset(name)
    functional = FunctionalModel.of(config)
    params = initial_params(config, seed=0)
    rng = np.random.default_rng(0)
    size, length = config.model.image_size, config.model.text_length
    pixels = jnp.asarray(rng.uniform(-1, 1, (pairs, size, size, 3)), jnp.float32)
    tokens = rng.integers(2, config.model.vocab_size, (pairs, length))
    padded = np.where(np.arange(length) < rng.integers(1, 10, (pairs, 1)), tokens, 0)
    ids = jnp.asarray(padded, jnp.int32)

    @jax.jit
    def traced(params: Params) -> Output:
        return functional.bind(params)(pixels, ids)._replace(hidden=[])

    @jax.jit
    def embeddings(params: Params) -> tuple[jax.Array, jax.Array]:
        output = functional.bind(params)(pixels, ids)
        return output.image_embeddings, output.text_embeddings

    seconds = medians(
        {"traced": lambda: traced(params), "plain": lambda: embeddings(params)}, repeats
    )
    return [
        Line(
            name="forward with trace ÷ without",
            value=seconds["traced"] / seconds["plain"],
            goal=1.3,
            limit=1.0,
            how=f"{name}, {pairs} pairs, medians of {repeats} interleaved calls, "
            f"{1000 * seconds['plain']:.3g} ms without",
        )
    ]
