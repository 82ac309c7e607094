"""Losses along other routes, against a model whose routers are changed by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

import analysis
from limoe_core.data.preprocess import to_model_input
from limoe_core.evaluation.causal import pair_losses
from limoe_core.model.layout import Layout
from tests.analysis.random_model import TEXTS, random_model, random_pictures

#: Compiles a model whose tokens can be forced.
pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def model():
    return random_model()


@pytest.fixture(scope="module")
def pictures():
    return random_pictures()


def test_losses_in_the_last_layer_are_those_of_outputs_exchanged_by_hand(model, pictures):
    """In the last block no other token sees the change, so the expert's output can be exchanged."""
    trace = model.trace(pictures, TEXTS, capacity_factor=0)
    pair, position = 2, 5
    frame = analysis.token_routes(model, pictures, TEXTS, pair, "image", position)
    own = frame[frame["chosen"]].iloc[0]
    module = model.functional.bind(model.params)
    pixels = jnp.asarray(to_model_input(pictures[pair], 32))[None]
    none = jnp.zeros((0, model.config.model.text_length), jnp.int32)
    layout = Layout.of(none, None, jnp.ones(1, bool), model.config.model.patches)

    @jax.jit
    def through(params):
        """The tokens after the last block, the token's gate values there, and its MLP's input."""
        module = model.functional.bind(params)
        x = module._embed_images(pixels, None).reshape(-1, model.config.model.width)
        for block in module.blocks:
            x, routing, inputs = block(x, layout=layout, capacity_factor=0.0, batch_priority=True)
        return x, routing.probs[position], inputs[position]

    x, gates, inside = through(model.params)
    mlp = module.blocks[-1].mlp

    def output(expert: int) -> jax.Array:
        inner = inside @ mlp.w_in[...][expert] + mlp.b_in[...][expert]
        return gates[expert] * (
            jax.nn.gelu(inner) @ mlp.w_out[...][expert] + mlp.b_out[...][expert]
        )

    first, last = "layer_1", "layer_2"
    tau = float(module.temperature)
    for expert in range(trace.num_experts):
        changed = x.at[position].add(output(expert) - output(int(own[last])))
        images = trace.image_embeddings.copy()
        images[pair] = module._pool(module.norm(changed), layout)[0][0]
        wanted = pair_losses(images, trace.text_embeddings, tau)[pair]
        row = frame[(frame[first] == own[first]) & (frame[last] == expert)].iloc[0]
        assert row["loss"] == pytest.approx(wanted, abs=2e-4)
    assert frame["loss"].max() - frame["loss"].min() > 2e-3
