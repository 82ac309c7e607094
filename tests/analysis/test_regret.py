"""Losses along other routes, against a model whose routers are changed by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import analysis
from analysis import AnalysisError
from analysis.causal import pair_losses
from analysis.regret import _other_routes, _regret
from limoe_core.data.preprocess import to_model_input
from limoe_core.model.layout import Layout
from tests.analysis.random_model import TEXTS, random_model, random_pictures


@pytest.fixture(scope="module")
def model():
    return random_model()


@pytest.fixture(scope="module")
def pictures():
    return random_pictures()


def test_the_routers_own_route_has_the_loss_of_the_pair(model, pictures):
    trace = model.trace(pictures, TEXTS, capacity_factor=0)
    tau = float(model.functional.bind(model.params).temperature)
    losses = pair_losses(trace.image_embeddings, trace.text_embeddings, tau)
    blocks = [f"block {block}" for block in trace.layers]
    for modality, pair, position in (("image", 1, 3), ("text", 4, 2)):
        frame = analysis.route_losses(model, pictures, TEXTS, pair, modality, position)
        assert len(frame) == model.config.model.experts ** len(blocks)
        assert not frame[blocks].duplicated().any()
        own = frame.iloc[0]
        code = ("image", "text").index(modality)
        token = np.flatnonzero(
            (trace.pair == pair) & (trace.modality == code) & (trace.position == position)
        )[0]
        assert own[blocks].tolist() == trace.expert[:, token, 0].tolist()
        assert own["loss"] == pytest.approx(losses[pair], abs=1e-4)
        assert own["changed"] == 0
        # Another route is another loss, unless no token feels it.
        assert frame["loss"].nunique() > 1


def test_losses_in_the_last_layer_are_those_of_outputs_exchanged_by_hand(model, pictures):
    """In the last block no other token sees the change, so the expert's output can be exchanged."""
    trace = model.trace(pictures, TEXTS, capacity_factor=0)
    pair, position = 2, 5
    frame = analysis.route_losses(model, pictures, TEXTS, pair, "image", position)
    own = frame.iloc[0]
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

    first, last = "block 1", "block 2"
    tau = float(module.temperature)
    for expert in range(trace.num_experts):
        changed = x.at[position].add(output(expert) - output(int(own[last])))
        images = trace.image_embeddings.copy()
        images[pair] = module._pool(module.norm(changed), layout)[0][0]
        wanted = pair_losses(images, trace.text_embeddings, tau)[pair]
        row = frame[(frame[first] == own[first]) & (frame[last] == expert)].iloc[0]
        assert row["loss"] == pytest.approx(wanted, abs=2e-4)
    assert frame["loss"].max() - frame["loss"].min() > 2e-3


def test_regret_of_known_losses():
    found = _regret(np.array([2.0, 1.0, 3.0, 2.0, 4.0]))
    assert found["regret"] == 1.0
    assert found["random"] == pytest.approx(2.4)
    assert found["spread"] == pytest.approx(1.4)
    assert found["beaten"] == pytest.approx((2 + 0.5) / 4)


def test_few_routes_are_all_tried_and_many_in_one_layer_each():
    own = np.array([1, 0])
    every = _other_routes(own, 3, most=9)
    assert len(every) == 8
    assert not (every == own).all(axis=1).any()
    near = _other_routes(own, 3, most=8)
    assert sorted(map(tuple, near.tolist())) == [(0, 0), (1, 1), (1, 2), (2, 0)]


def test_regret_of_all_tokens_and_its_summary(model, pictures):
    frame = analysis.routing_regret(model, pictures, TEXTS, [0, 3], "text")
    assert frame["pair"].unique().tolist() == [0, 3]
    assert (frame["regret"] >= 0).all()
    one = analysis.route_losses(model, pictures, TEXTS, 3, "text", 1)
    row = frame.query("pair == 3 and position == 1").iloc[0]
    assert row["regret"] == pytest.approx(one["loss"].iloc[0] - one["loss"].min())
    summary = analysis.regret_summary(frame, samples=100).set_index("measure")
    means = frame.groupby("pair")["regret"].mean()
    assert summary.loc["regret", "value"] == pytest.approx(means.mean())
    assert summary.loc["beaten", "null"] == 0.5
    assert summary.loc["regret", "pairs"] == 2
    assert summary.loc["regret", "low"] <= summary.loc["regret", "value"]


def test_routers_without_skill_beat_half_of_the_routes():
    """The interval holds the null where the router's route is one of them at random."""
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(40):
        rows = [
            {"pair": pair, "modality": "image", "position": 0, **_regret(rng.normal(size=32))}
            for pair in range(40)
        ]
        summary = analysis.regret_summary(pd.DataFrame(rows), samples=200, seed=trial)
        beaten = summary.set_index("measure").loc["beaten"]
        covered += beaten["low"] <= 0.5 <= beaten["high"]
    assert covered >= 34


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ((9, "image", 0), "there is no pair 9"),
        ((0, "image", 99), "there is no patch 99"),
        ((1, "text", 12), "there is no piece of this text 12"),
        ((0, "sound", 0), "image or text"),
    ],
)
def test_tokens_that_are_not_there_are_refused(model, pictures, asked, words):
    with pytest.raises(AnalysisError, match=words):
        analysis.route_losses(model, pictures, TEXTS, *asked)
