"""Sizes of the presets, and what a plan counts."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import jax
import pytest

from limoe_core import plan
from limoe_core.config import Config
from limoe_core.devices.mesh import MeshShape
from limoe_core.planning import cost
from limoe_core.presets import PRESETS, dense_twin, finer, preset


@pytest.mark.parametrize(
    ("name", "total", "active"),
    [
        # The paper's, or those cited of it, in billions; to the digits they are given with.
        ("B/16", (0.5, 1), (0.1, 1)),
        ("L/16", (1.6, 1), (0.3, 1)),  # 1.7 is cited: see the preset
        ("H/14", (5.6, 1), (0.675, 2)),
    ],
)
def test_the_papers_models_have_its_parameter_counts(
    name: str, total: tuple[float, int], active: tuple[float, int]
) -> None:
    counted = cost.Parameters.of(preset(name))
    assert round(counted.total / 1e9, 1) in (total[0], total[0] + 0.1)
    assert counted.active / 1e9 == pytest.approx(active[0], rel=0.15)


def test_h14_passes_a_token_through_675_million_parameters() -> None:
    assert cost.Parameters.of(preset("H/14")).active == pytest.approx(675e6, rel=2e-3)
    assert len(preset("H/14").model.moe_layers) == 12


@pytest.mark.parametrize("name", [name for name in PRESETS if "/" in name and "dense" not in name])
def test_a_twin_has_the_active_parameters_without_routers(name: str) -> None:
    model = preset(name).model
    routers = len(model.moe_layers) * model.width * model.experts
    twin = cost.Parameters.of(preset(f"{name}-dense"))
    assert twin.total == twin.active == cost.Parameters.of(preset(name)).active - routers
    assert twin.experts == 0


def finely_cut(name: str, **settings: Any) -> Config:
    config = finer(preset(name), 4)
    return dataclasses.replace(config, model=dataclasses.replace(config.model, **settings))


@pytest.mark.parametrize("settings", [{}, {"shared_dim": 96}, {"moe_blocks": (2,)}])
def test_finer_experts_and_a_shared_one_cost_what_their_twin_costs(settings: dict) -> None:
    config = finely_cut("emoji-tiny", **settings)
    twin = dense_twin(config)
    tokens = cost.Tokens.of(config)
    model = config.model
    routers = len(model.moe_layers) * 2 * tokens.total * model.width * model.experts
    found = cost.forward_flops(config, tokens, padding=False)
    assert found - routers == cost.forward_flops(twin, tokens, padding=False)
    # Parameters are alike but for the routers, and one bias of the output for K of them.
    counted, other = cost.Parameters.of(config), cost.Parameters.of(twin)
    more = model.top_k + bool(model.shared_dim) - 1
    extra = len(model.moe_layers) * model.width * (model.experts + more)
    assert counted.active - other.active == extra
    assert other.experts == 0


def test_finer_experts_have_the_parameters_of_whole_ones() -> None:
    whole, cut = preset("emoji-tiny"), finely_cut("emoji-tiny")
    tokens, layers = cost.Tokens.of(whole), len(whole.model.moe_layers)
    wide = layers * whole.model.width
    of_whole, of_cut = cost.Parameters.of(whole), cost.Parameters.of(cut)
    biases_and_router = wide * 2 * (cut.model.experts - whole.model.experts)
    assert of_cut.total - of_whole.total == biases_and_router
    routers = 2 * tokens.total * wide * (cut.model.experts - whole.model.experts)
    difference = cost.forward_flops(cut, tokens) - cost.forward_flops(whole, tokens)
    assert difference == pytest.approx(routers)


def test_presets_survive_json() -> None:
    for config in PRESETS.values():
        assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_experts_that_are_spread_take_their_share_of_memory() -> None:
    config = preset("H/14")
    tokens = cost.Tokens.of(config)
    parameters = cost.Parameters.of(config)
    one = cost.memory(config, MeshShape(1024, 1), tokens)
    spread = cost.memory(config, MeshShape(32, 32), tokens)
    assert one.parameters == 4 * parameters.total
    assert spread.parameters == 4 * (parameters.total - parameters.experts * 31 / 32)


@pytest.mark.parametrize("settings", [{}, {"top_k": 2, "expert_dim": 192, "shared_dim": 384}])
def test_flops_agree_with_xla(settings: dict) -> None:
    """One device, nothing computed twice, so that every product counts once."""
    from limoe_core.planning.aot import compiled_cost

    base = preset("emoji-tiny")
    config = dataclasses.replace(
        base,
        model=dataclasses.replace(base.model, vocab_size=512, layers=2, **settings),
        optimizer=dataclasses.replace(base.optimizer, name="adamw"),
        data=dataclasses.replace(base.data, batch_size=16, augment=False),
    )
    ours = cost.step_flops(config, cost.Tokens.of(config))
    assert compiled_cost(config, MeshShape(1, 1))["flops"] == pytest.approx(ours, rel=0.25)
    assert len(jax.devices()) >= 1


def test_the_command_prints_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--preset", "B/16", "--mesh", "data=4,expert=8", "--batch", "4096", "--json"]
    assert plan.main(options) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["parameters"] == dataclasses.asdict(cost.Parameters.of(preset("B/16")))
    assert found["mesh"] == {"data": 4, "expert": 8}
    assert found["bytes_per_device"]["total"] > 0
    assert plan.main(["--preset", "B/16", "--mesh", "expert=5"]) == 1
    assert "32 experts cannot be shared out to 5 devices" in capsys.readouterr().err
