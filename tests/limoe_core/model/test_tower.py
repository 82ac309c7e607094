"""The tower as a loop over blocks: what repeats, and that nothing else changes."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limoe_core.config import Config, ModelConfig
from limoe_core.model.functional import FunctionalModel, Params
from limoe_core.model.limoe import Output
from limoe_core.model.router import Intervention
from limoe_core.model.tower import Repeats
from limoe_core.presets import PRESETS, preset

#: Blocks D D M D M: one before the pattern D M, which repeats twice.
UNROLLED = Config(
    model=ModelConfig(
        image_size=16,
        patch_size=8,
        text_length=4,
        vocab_size=300,
        width=8,
        layers=5,
        heads=2,
        mlp_dim=12,
        embed_dim=6,
        experts=3,
        moe_blocks=(3, 5),
        equal_blocks="unrolled",
        expert_layout="buffers",
    )
)


def looped(config: Config, **settings: Any) -> Config:
    model = dataclasses.replace(config.model, equal_blocks="loop", **settings)
    return dataclasses.replace(config, model=model)


def blocks_of(config: Config) -> str:
    """D for a dense block, M for a mixture."""
    mixtures = config.model.moe_layers
    return "".join("M" if i in mixtures else "D" for i in range(config.model.layers))


@given(st.text("DM", max_size=24))
def test_what_repeats_lies_within_the_blocks_and_is_equal(blocks: str) -> None:
    found = Repeats.of(blocks)
    assert 0 <= found.start <= found.end <= len(blocks)
    rounds = {blocks[start : start + found.length] for start in found.rounds}
    assert len(rounds) == (found.times > 0)
    assert found.times != 1


@given(st.text("DM", min_size=1, max_size=5), st.integers(2, 6))
def test_a_pattern_is_compiled_once_however_often_it_repeats(pattern: str, times: int) -> None:
    found = Repeats.of(pattern * times)
    assert found.start == 0 or found.saved >= len(pattern) * (times - 1)
    assert len(pattern) * times - found.saved <= len(pattern)


@pytest.mark.parametrize(
    ("name", "compiled"), [("S/16", 2), ("B/16", 4), ("L/16", 9), ("H/14", 8), ("H/14-dense", 1)]
)
def test_the_papers_models_have_few_blocks_to_compile(name: str, compiled: int) -> None:
    config = preset(name)
    assert config.model.layers - Repeats.of(blocks_of(config)).saved == compiled


def test_deep_models_loop_by_themselves() -> None:
    deep = {name for name, config in PRESETS.items() if config.model.loops_over_blocks}
    assert deep == {"L/16", "L/16-dense", "H/14", "H/14-dense"}


@pytest.fixture(scope="module")
def params() -> Params:
    # Drawn here: a program that makes them would take seconds to compile.
    rng = np.random.default_rng(1)
    shapes = FunctionalModel.of(UNROLLED).shapes
    return jax.tree.map(lambda x: jnp.asarray(rng.normal(0, 0.3, x.shape), x.dtype), shapes)


def output_of(config: Config, params: Params) -> Output:
    rng = np.random.default_rng(0)
    pixels = rng.uniform(-1, 1, (2, 16, 16, 3)).astype(np.float32)
    ids = jnp.array([[5, 9, 0, 0], [7, 8, 3, 2]], jnp.int32)
    silence = np.zeros((2, 2, 3), bool)
    silence[1, :, 2] = True
    bias = rng.normal(size=(2, 2, 3)).astype(np.float32)
    model = FunctionalModel.of(config).bind(params)
    return model(
        pixels,
        ids,
        noise=jax.random.key(3),
        intervention=Intervention(jnp.asarray(bias), jnp.asarray(silence)),
    )


def assert_same(found: Any, wanted: Any) -> None:
    paths = jax.tree_util.tree_leaves_with_path(wanted)
    for (path, right), left in zip(paths, jax.tree.leaves(found), strict=True):
        np.testing.assert_allclose(
            left, right, rtol=1e-5, atol=2e-6, err_msg=jax.tree_util.keystr(path)
        )


def test_parameters_are_those_of_the_blocks(params: Params) -> None:
    assert FunctionalModel.of(looped(UNROLLED)).shapes == FunctionalModel.of(UNROLLED).shapes


@pytest.mark.training
def test_a_loop_gives_what_the_blocks_give_one_by_one(params: Params) -> None:
    both = [jax.jit(lambda p, c=c: output_of(c, p))(params) for c in (looped(UNROLLED), UNROLLED)]
    assert len(both[0].routings) == len(both[0].hidden) == 2
    assert_same(*both)


@pytest.mark.training
@pytest.mark.parametrize("remat", ["none", "full"])
def test_a_loop_has_the_gradients_of_the_blocks(remat: Any, params: Params) -> None:
    def loss(params: Params, config: Config) -> jax.Array:
        out = output_of(config, params)
        routed = sum(jnp.sum(jnp.square(r.logits)) for r in out.routings)
        return jnp.sum(out.image_embeddings * jnp.arange(6)) + out.text_embeddings[1, 2] + routed

    gradient = jax.jit(jax.grad(loss), static_argnums=1)
    assert_same(gradient(params, looped(UNROLLED, remat=remat)), gradient(params, UNROLLED))


def test_the_program_does_not_grow_with_the_depth() -> None:
    def lines(layers: int) -> int:
        config = looped(UNROLLED, layers=layers, moe_blocks=tuple(range(2, layers + 1, 2)))
        functional = FunctionalModel.of(config)
        pixels = jax.ShapeDtypeStruct((1, 16, 16, 3), jnp.float32)
        ids = jax.ShapeDtypeStruct((1, 4), jnp.int32)
        program = jax.jit(lambda p, *pair: functional.bind(p)(*pair).image_embeddings).lower(
            functional.shapes, pixels, ids
        )
        return program.as_text().count("stablehlo.dot_general")

    assert lines(4) == lines(8)
