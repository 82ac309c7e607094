"""The optimizer: which rule moves which parameter, and by how much."""

from __future__ import annotations

import dataclasses
import typing

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from limoe_core.config import OptimizerConfig
from limoe_core.model.functional import FunctionalModel, Params, initial_params
from limoe_core.presets import preset
from limoe_core.training.muon import scale_by_muon
from limoe_core.training.optimizer import (
    OPTIMIZERS,
    decay_mask,
    learning_rate,
    make_optimizer,
    takes_muon,
)

RATE = 0.01
ROLES = FunctionalModel.of(preset("debug")).roles


@pytest.fixture(scope="module")
def params() -> Params:
    return initial_params(preset("debug"), 0)


@pytest.fixture(scope="module")
def gradients(params: Params) -> Params:
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    # Nearly of rank one, as gradients often are: the singular values lie far apart.
    made = []
    for leaf, key in zip(leaves, keys, strict=True):
        noise = jax.random.normal(key, leaf.shape)
        made.append(noise + 10 * (noise.mean(-1, keepdims=True) if leaf.ndim else 0))
    return structure.unflatten(made)


def one_update(config: OptimizerConfig, params: Params, gradients: Params) -> Params:
    """The second update, at the peak of the learning rate."""
    optimizer = make_optimizer(config, 100, ROLES)
    state = optimizer.init(params)
    update = jax.jit(optimizer.update)
    for _ in range(2):
        updates, state = update(gradients, state, params)
    return updates


def named(tree: Params) -> dict[str, jax.Array]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def config(name: str, **settings: float) -> OptimizerConfig:
    base = OptimizerConfig(
        name=name,  # type: ignore[arg-type]
        learning_rate=RATE,
        warmup_steps=1,
        clip_norm=1e9,
        weight_decay=0.0,
    )
    return dataclasses.replace(base, **settings)  # type: ignore[arg-type]


def test_muon_takes_the_matrices_of_the_blocks_and_nothing_else(params: Params) -> None:
    for name, taken in named(takes_muon(ROLES)(params)).items():
        last = name.split(".")[-1]
        assert taken == (name.startswith("blocks.") and last in ("kernel", "w_in", "w_out")), name


def test_muon_moves_every_expert_alike_in_all_directions(params: Params, gradients: Params) -> None:
    updates = named(one_update(config("muon"), params, gradients))
    before = named(gradients)["blocks.0.mlp.w_in"]
    update = np.asarray(updates["blocks.0.mlp.w_in"])
    rate = float(learning_rate(config("muon"), 100)(1))
    for expert in range(update.shape[0]):
        values = np.linalg.svd(update[expert], compute_uv=False)
        spread = np.linalg.svd(np.asarray(before[expert]), compute_uv=False)
        assert spread.max() / spread.min() > 5
        # Five Newton-Schulz steps bring singular values near 1: 0.7 to 1.2 (Jordan et al.).
        assert values.max() / values.min() < 2.2
        rms = np.sqrt((update[expert] ** 2).mean())
        assert 0.5 < rms / (0.2 * rate) < 1.3


def test_what_muon_leaves_moves_as_with_adamw(params: Params, gradients: Params) -> None:
    muon = named(one_update(config("muon", weight_decay=0.1), params, gradients))
    adamw = named(one_update(config("adamw", weight_decay=0.1), params, gradients))
    for name in (
        "token_embedding.embedding",
        "blocks.0.mlp.router",
        "blocks.0.mlp.b_in",
        "norm.scale",
    ):
        np.testing.assert_allclose(muon[name], adamw[name], rtol=1e-5, atol=1e-9, err_msg=name)
    assert not np.allclose(muon["blocks.0.mlp.w_in"], adamw["blocks.0.mlp.w_in"], rtol=0.1)


@pytest.mark.training
def test_muon_leaves_an_expert_where_it_is_while_it_gets_no_token() -> None:
    rng = np.random.default_rng(0)
    experts = {"w_in": jnp.asarray(rng.normal(size=(3, 4, 6)), jnp.float32)}
    idle = jax.tree.map(lambda x: x.at[1].set(0), experts)
    rule = scale_by_muon()
    update = jax.jit(rule.update)
    state = rule.init(experts)
    _, state = update(experts, state)
    for _ in range(3):  # its momentum is not 0
        updates, state = update(idle, state)
        assert not np.asarray(updates["w_in"][1]).any()
        assert np.asarray(updates["w_in"])[[0, 2]].any(axis=(1, 2)).all()
    # When tokens come, it goes where they say, and not where those of long ago said.
    for _ in range(200):
        _, state = update(idle, state)
    back = jax.tree.map(lambda x: x.at[1].set(-experts["w_in"][1]), idle)
    updates, _ = update(back, state)
    fresh, _ = update(jax.tree.map(jnp.negative, experts), rule.init(experts))
    np.testing.assert_allclose(updates["w_in"][1], fresh["w_in"][1], atol=1e-3)


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_without_gradients_only_matrices_shrink(name: str, params: Params) -> None:
    ones = jax.tree.map(jnp.ones_like, params)
    still = jax.tree.map(jnp.zeros_like, params)
    updates = one_update(config(name, weight_decay=0.1), ones, still)
    rate = float(learning_rate(config(name), 100)(1))
    decays = named(decay_mask(ROLES)(params))
    for path, update in named(updates).items():
        wanted = -rate * 0.1 if decays[path] else 0.0
        np.testing.assert_allclose(update, wanted, rtol=1e-5, atol=1e-9, err_msg=path)
    assert decays["blocks.0.mlp.w_in"] and not decays["blocks.0.mlp.b_in"]


def test_the_gradient_is_clipped_over_all_parameters_together(params: Params) -> None:
    ones = jax.tree.map(jnp.ones_like, params)
    sgd = optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(1.0))
    clipped, _ = sgd.update(ones, sgd.init(params))
    assert float(optax.global_norm(clipped)) == pytest.approx(1.0)


def test_every_name_that_a_setting_may_have_is_an_optimizer() -> None:
    names = typing.get_args(typing.get_type_hints(OptimizerConfig)["name"])
    assert set(names) == set(OPTIMIZERS)
