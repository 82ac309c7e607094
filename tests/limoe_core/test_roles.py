"""A parameter says its role once, and everyone who treats it knows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from limoe_core.config import Config, OptimizerConfig
from limoe_core.devices.mesh import EXPERT, parameter_spec
from limoe_core.model import block, functional
from limoe_core.model.functional import FunctionalModel
from limoe_core.model.moe import MoE
from limoe_core.planning.cost import Parameters
from limoe_core.presets import preset
from limoe_core.roles import EXPERT_MATRIX, FROZEN, MATRIX, Role, Roles
from limoe_core.training.optimizer import decay_mask, make_optimizer, takes_muon

WIDTH = preset("debug").model.width


class Gated(MoE):
    """A mixture with one more weight of each expert, and a constant."""

    def __init__(self, config: Any, *, rngs: nnx.Rngs) -> None:
        super().__init__(config, rngs=rngs)
        shape = (config.experts, config.width, config.width)
        self.gate_up = nnx.Param(jnp.ones(shape), role=EXPERT_MATRIX)
        self.constant = nnx.Param(jnp.ones(config.width), role=FROZEN)


class Careless(MoE):
    """A mixture with a weight that says nothing."""

    def __init__(self, config: Any, *, rngs: nnx.Rngs) -> None:
        super().__init__(config, rngs=rngs)
        self.forgotten = nnx.Param(jnp.ones(3))


@pytest.fixture
def gated(monkeypatch: pytest.MonkeyPatch) -> Iterator[Config]:
    """The debug settings, whose models have Gated mixtures while a test runs."""
    monkeypatch.setattr(block, "MoE", Gated)
    functional._structure.cache_clear()
    yield preset("debug")
    functional._structure.cache_clear()


def named(tree: Any) -> dict[str, Any]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def test_a_new_weight_of_experts_is_known_to_optimizer_mesh_and_cost(gated: Config) -> None:
    model = FunctionalModel.of(gated)
    new, still = "blocks.0.mlp.gate_up", "blocks.0.mlp.constant"
    assert named(decay_mask(model.roles)(model.shapes))[new]
    assert named(takes_muon(model.roles)(model.shapes))[new]
    assert not named(decay_mask(model.roles)(model.shapes))[still]
    for rule in ("adamw", "muon"):
        optimizer = make_optimizer(OptimizerConfig(name=rule), 10, model.roles)  # type: ignore[arg-type]
        state = jax.eval_shape(optimizer.init, model.shapes)
        leaves = jax.tree_util.tree_leaves_with_path({"params": model.shapes, "state": state})
        spread = [
            jax.tree_util.keystr(path, simple=True, separator=".")
            for path, leaf in leaves
            if EXPERT in parameter_spec(path, leaf, model.roles)
        ]
        # The parameter itself and its moments: two with AdamW, one with Muon.
        found = [name for name in spread if name.endswith(new)]
        assert len(found) == {"adamw": 3, "muon": 2}[rule]
        assert not any(name.endswith(still) for name in named(state)), "no state of what is frozen"
    counted = Parameters.of(gated)
    functional._structure.cache_clear()
    layers, experts = len(gated.model.moe_layers), gated.model.experts
    more = layers * experts * WIDTH**2
    plain = sum(
        leaf.size
        for name, leaf in named(model.shapes).items()
        if name.split(".")[-1] in ("w_in", "b_in", "w_out", "b_out")
    )
    assert counted.experts == plain + more
    assert counted.total - counted.active == (plain + more) * (experts - 1) // experts


@pytest.mark.training
def test_what_is_frozen_never_moves(gated: Config) -> None:
    model = FunctionalModel.of(gated)
    optimizer = make_optimizer(
        dataclasses.replace(gated.optimizer, weight_decay=0.5), 10, model.roles
    )
    params = jax.tree.map(lambda leaf: jnp.ones(leaf.shape), model.shapes)
    state = optimizer.init(params)
    for _ in range(2):
        updates, state = optimizer.update(params, state, params)
    found = named(updates)
    assert not found["blocks.0.mlp.constant"].any()
    assert found["blocks.0.mlp.gate_up"].all()


def test_a_parameter_without_a_role_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block, "MoE", Careless)
    functional._structure.cache_clear()
    with pytest.raises(ValueError, match=r"blocks\.0\.mlp\.forgotten declares no role"):
        FunctionalModel.of(preset("debug")).roles  # noqa: B018
    functional._structure.cache_clear()


def test_a_role_is_found_by_the_end_of_a_path() -> None:
    roles = Roles({("norm", "scale"): Role(), ("blocks", "0", "norm", "scale"): MATRIX})
    tree = {"mu": {"norm": {"scale": 1}, "blocks": {0: {"norm": {"scale": 2}}}}, "count": 3}
    found = {leaf: roles.of(path) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}
    assert found == {1: Role(), 2: MATRIX, 3: None}
