"""First parameters from those of a trained run, against plain loops; and a run that has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limoe_core.config import Config, ModelConfig
from limoe_core.model.functional import FunctionalModel, Params
from limoe_core.presets import preset
from limoe_core.runs import Run
from limoe_core.training import initial
from tests.limoe_core.training.trained import part, started, trained_parameters, trained_run

DEBUG = preset("debug").model
SMALL = replace(DEBUG, image_size=16, layers=2, vocab_size=290, moe_every=2, text_length=6)
DENSE = replace(SMALL, experts=0)


def of(model: ModelConfig) -> Config:
    return replace(preset("debug"), model=model)


def embedded(model: ModelConfig, params: Params, tokens: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of two pictures and two captions of up to six tokens."""
    rng = np.random.default_rng(1)
    images = rng.uniform(-1, 1, (2, 16, 16, 3)).astype(np.float32)
    texts = np.zeros((2, model.text_length), np.int32)
    texts[0, :tokens], texts[1, :2] = rng.integers(2, 290, tokens), [5, 7]
    pair = jnp.asarray(images), jnp.asarray(texts)
    forward = jax.jit(lambda p: FunctionalModel.of(of(model)).bind(p)(*pair)[:2])
    with jax.default_matmul_precision("highest"):
        first, second = forward(params)
    return np.asarray(first), np.asarray(second)


# ---- sparse upcycling


def test_experts_give_what_the_mlp_gave_where_gates_are_equal() -> None:
    """A router of zeros has gates 1/E, so what the model gives is exactly the dense model's."""
    sparse = replace(SMALL, layers=1, moe_every=1, capacity_factor=4.0)  # nothing is dropped
    twin = replace(sparse, experts=0)
    dense = trained_parameters(of(twin))
    fresh = trained_parameters(of(sparse), seed=2)
    fresh["blocks"][0]["mlp"]["router"] = jnp.zeros_like(fresh["blocks"][0]["mlp"]["router"])
    made = initial.transferred(dense, fresh, twin, sparse)
    assert jax.tree.structure(made) == jax.tree.structure(fresh)
    for ours, theirs in zip(embedded(sparse, made), embedded(twin, dense), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_each_expert_under_normalised_gates_is_the_mlp() -> None:
    rng = np.random.default_rng(0)
    config = replace(SMALL, experts=5, top_k=3)
    dense = trained_parameters(of(DENSE))["blocks"][1]
    host = jax.tree.map(np.asarray, dense)
    fresh = trained_parameters(of(config), seed=2)["blocks"][1]["mlp"]
    fresh["router"] = jnp.asarray(rng.normal(0, 0.02, fresh["router"].shape), jnp.float32)
    made = jax.tree.map(np.asarray, initial.upcycled(dense["mlp"], dense["norm_mlp"], fresh, 3))
    share = float(initial.mean_gates(dense["norm_mlp"], fresh["router"], 3))
    np.testing.assert_array_equal(made["router"], fresh["router"])
    scale, bias = host["norm_mlp"]["scale"], host["norm_mlp"]["bias"]
    sums = []
    for _ in range(200):
        token = rng.normal(size=config.width)
        token = ((token - token.mean()) / token.std() * scale + bias).astype(np.float32)
        gates = np.exp(token @ made["router"])
        gates /= gates.sum()
        chosen = np.argsort(-gates)[:3]
        sums.append(gates[chosen].sum())
        if len(sums) > 3:
            continue
        given = np.zeros(config.width)
        for expert in chosen:
            hidden = jax.nn.gelu(token @ made["w_in"][expert] + made["b_in"][expert])
            out = hidden @ made["w_out"][expert] + made["b_out"][expert]
            given += share * gates[expert] / gates[chosen].sum() * out
        mlp = host["mlp"]
        hidden = jax.nn.gelu(token @ mlp["w_in"]["kernel"] + mlp["w_in"]["bias"])
        wanted = hidden @ mlp["w_out"]["kernel"] + mlp["w_out"]["bias"]
        np.testing.assert_allclose(given, wanted, atol=1e-4)
    assert np.mean(sums) == pytest.approx(share, rel=0.03), "of real gates, so that outputs fit"


def test_a_mixture_that_is_there_already_is_copied() -> None:
    balanced = replace(SMALL, balance="modality", moe_every=1)
    trained, fresh = trained_parameters(of(SMALL)), trained_parameters(of(balanced), seed=2)
    made = initial.transferred(trained, fresh, SMALL, balanced)
    assert jax.tree.structure(made) == jax.tree.structure(fresh)
    for name, values in trained["blocks"][1]["mlp"].items():
        np.testing.assert_array_equal(made["blocks"][1]["mlp"][name], values)
    np.testing.assert_array_equal(
        made["blocks"][1]["mlp"]["balance"], fresh["blocks"][1]["mlp"]["balance"]
    )
    first, mlp = made["blocks"][0]["mlp"], trained["blocks"][0]["mlp"]
    np.testing.assert_array_equal(first["w_in"], np.stack([mlp["w_in"]["kernel"]] * 4))
    back = initial.transferred(made, trained, balanced, replace(balanced, balance="none"))
    assert "balance" not in back["blocks"][1]["mlp"]


# ---- positions


@settings(max_examples=8)
@given(st.sampled_from([(2, 3), (4, 8), (3, 7), (4, 2), (5, 5)]), st.integers(0, 99))
def test_positions_are_interpolated_at_their_places_in_the_picture(
    sides: tuple[int, int], seed: int
) -> None:
    old, new = sides
    grid = np.random.default_rng(seed).normal(size=(old, old, 2)).astype(np.float32)
    found = initial.resampled(jnp.asarray(grid.reshape(-1, 2)), old, new)
    found = np.asarray(found).reshape(new, new, 2)
    reach = max(1.0, old / new)  # a coarser grid averages over what lies between its places
    for row in range(new):
        for column in range(new):
            total, weights = np.zeros(2), 0.0
            for i in range(old):
                for j in range(old):
                    away = [
                        abs((place + 0.5) * old / new - 0.5 - at) / reach
                        for place, at in ((row, i), (column, j))
                    ]
                    weight = max(0, 1 - away[0]) * max(0, 1 - away[1])
                    total, weights = total + weight * grid[i, j], weights + weight
            np.testing.assert_allclose(found[row, column], total / weights, atol=1e-5)


@pytest.mark.parametrize("length", [4, 6, 9])
def test_text_positions_are_kept_as_far_as_they_go(length: int) -> None:
    other = replace(SMALL, text_length=length, image_size=32)
    trained, fresh = trained_parameters(of(SMALL)), trained_parameters(of(other), seed=2)
    made = initial.transferred(trained, fresh, SMALL, other)
    kept = min(length, 6)
    found = np.asarray(made["text_positions"])
    np.testing.assert_array_equal(found[:kept], trained["text_positions"][:kept])
    np.testing.assert_array_equal(found[kept:], fresh["text_positions"][kept:])
    assert made["image_positions"].shape == fresh["image_positions"].shape


# ---- a run


@pytest.fixture
def source(shapes: Config, tmp_path: Path) -> Run:
    return trained_run(tmp_path / "source", shapes, 7)


def leaves(tree: Any) -> Iterator[np.ndarray]:
    return map(np.asarray, jax.tree.leaves(tree))


def test_a_run_has_the_parameters_of_its_source_at_step_0(
    source: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = part(source.config, "train", steps=3, seed=5)
    asked = part(asked, "optimizer", name="muon", learning_rate=1e-4)
    run, state = started(tmp_path / "new", asked, init_from=source.path)
    said = capsys.readouterr().err
    assert "it starts from source at step 7: all parameters are copied\n" in said
    assert int(state.step) == 0 and run.steps() == [0]
    functional = FunctionalModel.of(source.config)
    for ours, theirs in zip(
        leaves(state.params), leaves(source.restore_params(7, functional.shapes)), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert not any(leaf.any() for leaf in leaves(state.opt_state)), "the optimizer is new"
    words = ["red square", "rot"]
    np.testing.assert_array_equal(
        run.tokenizer().encode(words, 9), source.tokenizer().encode(words, 9)
    )
    assert run.config.optimizer.name == "muon" and run.config.train.steps == 3
    origin = run.origin
    assert origin is not None
    assert (origin.run, origin.step, origin.path) == ("source", 7, str(source.path))
    assert origin.digest == source.info["data"]["splits"]["train"]["digest"]
    # The source may go: what is resumed has all that it needs.
    source.path.rename(tmp_path / "elsewhere")
    again, resumed = started(tmp_path / "new", run.config, resume=True)
    assert again.origin == origin
    for ours, theirs in zip(leaves(resumed.params), leaves(state.params), strict=True):
        np.testing.assert_array_equal(ours, theirs)
