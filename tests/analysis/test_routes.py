"""How modalities part, experts together, removed and swapped, and routes: against plain loops."""

from __future__ import annotations

import dataclasses
import itertools
import time

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

import analysis
from analysis.chosen_together import independent_pairs
from analysis.errors import AnalysisError
from limoe_core.evaluation.causal import pair_losses
from limoe_core.evaluation.removal import answers
from limoe_core.inference import LoadedModel
from limoe_core.model.functional import FunctionalModel, initial_params
from limoe_core.presets import preset
from tests.analysis.random_model import TEXTS, ByteTokenizer

# ---- divergence


@given(st.integers(0, 2**32), st.integers(2, 9))
def test_divergence_agrees_with_scipy_and_with_the_information(seed: int, experts: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 9, size=(2, experts)) + np.eye(2, experts, dtype=int)
    shares = counts / counts.sum(axis=1, keepdims=True)
    bits = float(analysis.jensen_shannon(counts))
    assert bits == pytest.approx(jensenshannon(*shares, base=2) ** 2, abs=1e-9)
    of_expert = shares.mean(axis=0)
    entropy = -sum(p * np.log2(p) for p in of_expert if p)
    nmi = float(analysis.modality_nmi(counts))
    assert bits == pytest.approx(nmi * min(1, entropy), abs=1e-9)


def test_a_modality_that_nothing_tells_apart_stays_within_its_null(trace_of) -> None:
    reached = 0
    for seed in range(20):
        frame = analysis.routing_divergence(trace_of(seed, pairs=30, layers=1), samples=99)
        assert 0 <= frame["null"].iloc[0] < 0.2
        reached += frame["p"].iloc[0] <= 0.05
    assert reached <= 4  # one is expected


@pytest.mark.parametrize("alike", [1, 5])
def test_many_patches_and_pairs_of_one_concept_do_not_look_parted(trace_of, alike: int) -> None:
    """Routers that ignore the modality, with few words; and that know each half of a concept."""
    reached = 0
    for seed in range(20):
        trace = trace_of(seed, pairs=30, layers=1, grid=6 if alike == 1 else 2)
        rng = np.random.default_rng(seed)
        concept = trace.pair // alike
        if alike > 1:  # all pairs of a concept go the same way
            of_half = rng.integers(4, size=(30, 2))[concept, trace.modality]
            trace = dataclasses.replace(trace, expert=of_half[None, :, None].astype(np.int16))
        names = np.array([f"concept{pair // alike}" for pair in range(30)])
        trace = dataclasses.replace(trace, meta={**trace.meta, "concept": names})
        reached += analysis.routing_divergence(trace, samples=99)["p"].iloc[0] <= 0.05
    assert reached <= 4  # one is expected


def test_modalities_that_part_lie_beyond_it(trace_of) -> None:
    trace = trace_of(pairs=30, layers=1)
    expert = (trace.modality[None, :, None] * 2).astype(np.int16)
    frame = analysis.routing_divergence(dataclasses.replace(trace, expert=expert), samples=99)
    row = frame.iloc[0]
    assert row["bits"] == pytest.approx(1)
    assert row["null_high"] < 0.4
    assert row["p"] == pytest.approx(1 / 100)


# ---- chosen together


def test_independent_choices_of_many_experts_take_no_minutes() -> None:
    """128 experts, 8 a token: one at a time they took 12 s a layer and modality."""
    shares = np.random.default_rng(0).dirichlet(np.full(128, 2.0)) * 8
    started = time.process_time()
    found = independent_pairs(shares)
    assert time.process_time() - started < 4
    np.testing.assert_allclose(found.sum(axis=1), 8 * shares, atol=1e-8)


@given(st.integers(0, 2**32), st.integers(3, 6), st.integers(2, 3))
def test_independent_choices_have_the_shares_that_they_should(
    seed: int, experts: int, size: int
) -> None:
    """Against all sets of K experts, with any odds."""
    size = min(size, experts - 1)
    odds = np.exp(np.random.default_rng(seed).normal(size=experts))
    sets = list(itertools.combinations(range(experts), size))
    chances = np.array([np.prod(odds[list(one)]) for one in sets])
    chances /= chances.sum()
    wanted = np.zeros((experts, experts))
    for one, chance in zip(sets, chances, strict=True):
        wanted[np.ix_(one, one)] += chance
    found = independent_pairs(np.diagonal(wanted).copy())
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_an_expert_that_all_tokens_have_is_with_any_other_as_often_as_that_is() -> None:
    found = independent_pairs(np.array([1.0, 0.25, 0.75, 0.0]))
    np.testing.assert_allclose(found[0], [1, 0.25, 0.75, 0])
    assert found[1, 2] == pytest.approx(0)


def test_coactivation_counts_tokens(trace_of) -> None:
    trace = trace_of(pairs=12, layers=2, experts=5, top_k=2)
    frame = analysis.coactivation(trace, samples=20)
    for row in frame.itertuples():
        code = ("image", "text").index(row.modality)
        layer = trace.layers.tolist().index(row.layer)
        chosen = trace.expert[layer, trace.modality == code]
        assert row.together == sum({row.expert, row.other} == set(map(int, one)) for one in chosen)
        assert row.tokens == len(chosen)
    whole = frame.groupby(["layer", "modality"])
    np.testing.assert_allclose(whole["share"].sum(), 1)  # K = 2: one set a token
    np.testing.assert_allclose(whole["expected"].sum(), 1, atol=1e-6)
    with pytest.raises(AnalysisError, match="one expert here"):
        analysis.coactivation(trace_of())


def test_experts_that_nothing_ties_together_have_a_lift_of_one(trace_of) -> None:
    trace = trace_of(pairs=400, layers=1, experts=4, top_k=2)
    frame = analysis.coactivation(trace, samples=200)
    held = (frame["low"] <= 1) & (frame["high"] >= 1)
    assert held.mean() > 0.7
    assert frame["lift"].between(0.8, 1.25).all()


# ---- overlap


def test_overlap_grows_with_similarity_where_a_router_is_linear(trace_of) -> None:
    trace = trace_of(pairs=40, layers=1, hidden=True)
    assert trace.hidden is not None
    router = np.random.default_rng(1).normal(size=(trace.hidden.shape[2], trace.num_experts))
    chosen = np.argmax(trace.hidden[0] @ router, axis=-1)[None, :, None].astype(np.int16)
    linear = dataclasses.replace(trace, expert=chosen)
    frame = analysis.routing_overlap(linear, bins=4, count=4000, samples=50)
    mine = frame[frame["kind"] == "image, image"]
    assert mine["overlap"].is_monotonic_increasing
    assert (mine["correlation_low"] > 0.2).all()
    nothing = analysis.routing_overlap(trace, bins=4, count=4000, samples=50)
    assert (nothing["correlation_low"] < 0).all() and (nothing["correlation_high"] > 0).all()
    assert nothing["chance"].between(0.15, 0.4).all()  # a quarter, for four experts
    with pytest.raises(AnalysisError, match="hidden=True"):
        analysis.routing_overlap(trace_of())


# ---- experts off, gates swapped, routes: of a model


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    config = preset("debug")
    params = initial_params(config, seed=1)
    for block in params["blocks"].values():
        block["mlp"]["router"] = 20.0 * block["mlp"]["router"]
        block["mlp"]["w_out"] = 5.0 * block["mlp"]["w_out"]
    return LoadedModel(config, FunctionalModel.of(config), params, ByteTokenizer(), step=0)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return [*TEXTS, "one more", "and another"]


@pytest.fixture(scope="module")
def pictures(texts: list[str]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(256, size=(32, 32, 3), dtype=np.uint8) for _ in texts]


@pytest.mark.training
def test_removal_takes_the_most_needed_first_and_keeps_one_of_each_layer(
    model: LoadedModel, pictures: list[np.ndarray], texts: list[str]
) -> None:
    frame = analysis.experts_removed(model, pictures, texts, orders=2, samples=50)
    layers, experts = len(model.config.model.moe_layers), model.config.model.experts
    most = layers * (experts - 1)
    assert frame["removed"].max() == most
    assert (frame["pairs"] == 4).all(), "the other half said which experts are needed"
    half = model.trace(pictures[4:], texts[4:], capacity_factor=0)
    temperature = float(model.functional.bind(model.params).temperature)
    whole = pair_losses(half.image_embeddings, half.text_embeddings, temperature).mean()
    right = answers(half.image_embeddings, half.text_embeddings).mean()
    for row in frame[frame["removed"] == 0].itertuples():
        assert row.loss == pytest.approx(whole, abs=1e-5)
        assert row.top1 == pytest.approx(right)
    # With all but one of each layer off, tokens have nowhere else to go.
    first = frame[(frame["order"] == "most needed first") & (frame["removed"] == 1)]
    causes = analysis.causal_specialisation(model, pictures[:4], texts[:4], samples=5)
    for row in first.itertuples():
        worst = causes.loc[causes[f"delta_{row.modality}"].idxmax()]
        there = analysis.causal_specialisation(model, pictures[4:], texts[4:], samples=5)
        same = there[(there["layer"] == worst["layer"]) & (there["expert"] == worst["expert"])]
        rise = same[f"delta_{row.modality}"].iloc[0]
        assert row.loss == pytest.approx(whole + rise, abs=1e-5)
    with pytest.raises(AnalysisError, match="at least eight pairs"):
        analysis.experts_removed(model, pictures[:4], texts[:4])


@pytest.mark.training
def test_gates_of_the_model_itself_change_nothing_and_others_what_they_do(
    model: LoadedModel, pictures: list[np.ndarray], texts: list[str]
) -> None:
    frame = analysis.gate_swap(model, model, pictures, texts, draws=2, samples=50)
    same = frame[frame["routers"] != "random"]
    assert (same["rise"] == 0).all() and (same["moved"] == 0).all()
    assert frame.loc[frame["routers"] == "random", "moved"].gt(0.2).all()
    other = dataclasses.replace(model, params=initial_params(model.config, seed=5))
    frame = analysis.gate_swap(model, other, pictures, texts, draws=1, samples=50)
    blocks = {
        index: {
            **block,
            "mlp": {**block["mlp"], "router": other.params["blocks"][index]["mlp"]["router"]},
        }
        for index, block in model.params["blocks"].items()
    }
    swapped = dataclasses.replace(model, params={**model.params, "blocks": blocks})
    trace = swapped.trace(pictures, texts, capacity_factor=0)
    temperature = float(model.functional.bind(model.params).temperature)
    wanted = pair_losses(trace.image_embeddings, trace.text_embeddings, temperature).mean()
    row = frame[(frame["layer"] == "all") & (frame["routers"] == "donor")].iloc[0]
    assert row["loss"] == pytest.approx(wanted, abs=1e-5)
    dense = dataclasses.replace(model.config.model, width=64)
    wider = dataclasses.replace(other, config=dataclasses.replace(model.config, model=dense))
    with pytest.raises(AnalysisError, match="same settings"):
        analysis.gate_swap(model, wider, pictures, texts)


@pytest.mark.training
def test_the_models_own_route_has_the_models_own_loss_and_regret_is_exact(
    model: LoadedModel, pictures: list[np.ndarray], texts: list[str]
) -> None:
    trace = model.trace(pictures, texts, capacity_factor=0)
    temperature = float(model.functional.bind(model.params).temperature)
    losses = pair_losses(trace.image_embeddings, trace.text_embeddings, temperature)
    for modality, pair, position in (("image", 1, 3), ("text", 2, 1)):
        routes = analysis.token_routes(model, pictures, texts, pair, modality, position)
        assert len(routes) == model.config.model.experts**trace.num_layers
        own = routes[routes["chosen"]].iloc[0]
        assert own["loss"] == pytest.approx(losses[pair], abs=1e-5)
        code = ("image", "text").index(modality)
        token = np.flatnonzero(
            (trace.pair == pair) & (trace.modality == code) & (trace.position == position)
        )[0]
        assert own[[f"layer_{block}" for block in trace.layers]].tolist() == (
            trace.expert[:, token, 0].tolist()
        )
        assert routes["loss"].is_monotonic_increasing
        assert routes["loss"].nunique() > 3, "routes make a difference"
    frame = analysis.routing_regret(model, pictures, texts, tokens=2)
    assert (frame["regret"] >= 0).all() and frame["exact"].all()
    assert (frame["regret"] <= frame["loss"]).all()
    summary = analysis.regret_summary(frame, samples=50)
    assert summary["modality"].tolist() == ["image", "text"]
    with pytest.raises(AnalysisError, match="has no text token"):
        analysis.token_routes(model, pictures, texts, 1, "text", 15)


@pytest.mark.training
def test_a_forced_token_goes_where_it_is_told_with_its_own_gate(
    model: LoadedModel, pictures: list[np.ndarray]
) -> None:
    from limoe_core.data.preprocess import to_model_input
    from limoe_core.model.router import Intervention

    config = model.config.model
    pixels = np.stack([to_model_input(picture, config.image_size) for picture in pictures[:1]])
    layers = len(config.moe_layers)
    forced = np.full((layers, config.patches), -1, np.int32)
    forced[:, 2] = 3
    nothing = np.zeros((layers, 2, config.experts))
    output = model.functional.forward(
        model.params,
        pixels,
        np.zeros((0, config.text_length), np.int32),
        np.ones(1, bool),
        Intervention(jnp.asarray(nothing, jnp.float32), jnp.asarray(nothing, bool), forced),
        capacity_factor=0.0,
        batch_priority=True,
        hidden=False,
    )
    free = model.functional.forward(
        model.params,
        pixels,
        np.zeros((0, config.text_length), np.int32),
        np.ones(1, bool),
        None,
        capacity_factor=0.0,
        batch_priority=True,
        hidden=False,
    )
    for layer, routing in enumerate(output.routings):
        assert int(routing.assignment.expert[2, 0]) == 3
        np.testing.assert_allclose(routing.gate[2, 0], routing.probs[2, 3], rtol=1e-5)
        if layer == 0:  # before attention could tell the others of it
            others = np.arange(config.patches) != 2
            np.testing.assert_array_equal(
                np.asarray(routing.assignment.expert)[others],
                np.asarray(free.routings[0].assignment.expert)[others],
            )
