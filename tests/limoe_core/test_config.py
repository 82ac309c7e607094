"""Settings: what goes into config.json comes back, and what cannot work is refused in words."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limoe_core.config import (
    Config,
    ConfigError,
    DataConfig,
    LossConfig,
    ModelConfig,
    OptimizerConfig,
    TrainConfig,
)
from limoe_core.presets import PRESETS, dense_twin, finer, preset

positive = st.floats(1e-6, 10.0)


@st.composite
def configs(draw: st.DrawFn) -> Config:
    patch = draw(st.integers(1, 16))
    heads = draw(st.integers(1, 8))
    experts = draw(st.integers(0, 32))
    return Config(
        model=ModelConfig(
            image_size=patch * draw(st.integers(1, 14)),
            patch_size=patch,
            heads=heads,
            width=heads * draw(st.integers(1, 64)),
            layers=draw(st.integers(1, 12)),
            moe_every=draw(st.integers(1, 4)),
            experts=experts,
            top_k=draw(st.integers(1, max(1, experts))),
            capacity_factor=draw(positive),
            dtype=draw(st.sampled_from(["float32", "bfloat16"])),
        ),
        loss=LossConfig(auxiliary=draw(positive), local_entropy_image=draw(positive)),
        optimizer=OptimizerConfig(schedule=draw(st.sampled_from(["cosine", "rsqrt"]))),
        data=DataConfig(
            dir=draw(st.none() | st.text(max_size=9)), batch_size=draw(st.integers(2, 512))
        ),
        train=TrainConfig(seed=draw(st.integers(0, 2**31)), tensorboard=draw(st.booleans())),
    )


@given(configs())
def test_a_config_survives_json(config: Config) -> None:
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_survive_json(name: str) -> None:
    assert Config.from_dict(json.loads(json.dumps(preset(name).to_dict()))) == preset(name)


def test_the_three_presets_are_there() -> None:
    assert {"emoji-tiny", "emoji-dense", "debug"} <= set(PRESETS)
    with pytest.raises(ConfigError, match="emoji-huge.*emoji-tiny"):
        preset("emoji-huge")


def test_the_dense_twin_differs_in_nothing_but_its_experts() -> None:
    sparse, dense = preset("emoji-tiny"), preset("emoji-dense")
    assert dense == dense_twin(sparse)
    assert dense.model.experts == 0
    assert dense.model.moe_layers == ()
    assert dense.model.expert_blocks == sparse.model.moe_layers
    restored = dataclasses.replace(
        dense, model=dataclasses.replace(dense.model, experts=sparse.model.experts)
    )
    assert restored == sparse


def test_the_dense_twin_of_several_experts_is_as_wide_as_what_a_token_passes() -> None:
    base = preset("debug")
    sparse = dataclasses.replace(
        base, model=dataclasses.replace(base.model, top_k=3, expert_dim=20, shared_dim=12)
    )
    twin = dense_twin(sparse)
    assert twin.model.expert_hidden == twin.model.active_hidden == 3 * 20 + 12
    assert twin.model.mlp_dim == sparse.model.mlp_dim, "that of the other blocks"
    assert dense_twin(twin) == twin


def test_finer_experts_keep_what_a_token_passes() -> None:
    base = preset("debug")
    cut = finer(base, 4).model
    assert (cut.experts, cut.top_k, cut.expert_hidden) == (16, 4, 16)
    assert cut.active_hidden == base.model.active_hidden
    assert finer(base, 1) == base
    assert dense_twin(finer(base, 4)) == dense_twin(base)
    with pytest.raises(ConfigError, match="hidden width 64 cannot be cut into 5"):
        finer(base, 5)
    with pytest.raises(ConfigError, match="no experts"):
        finer(dense_twin(base), 2)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("inf"), float("nan")])
def test_balancing_needs_a_rate(rate: float) -> None:
    with pytest.raises(ConfigError, match=r"model\.balance_rate"):
        ModelConfig(balance="all", balance_rate=rate)
    ModelConfig(balance_rate=0.0)


@pytest.mark.parametrize("width", ["expert_dim", "shared_dim"])
def test_a_dense_twin_has_no_negative_widths_either(width: str) -> None:
    with pytest.raises(ConfigError, match=width):
        ModelConfig(experts=0, **{width: -1})


def test_old_spellings_of_settings_are_read() -> None:
    """Of runs from before segments were called so, and before rematerialisation had degrees."""
    assert Config.from_dict({"model": {"expert_layout": "runs"}}) == Config(
        model=ModelConfig(expert_layout="segments")
    )
    for before, now in ((True, "full"), (False, "none")):
        read = Config.from_dict({"model": {"remat": before}})
        assert read == Config.from_dict({"model": {"remat": now}})
        assert read.model.remat == now
    with pytest.raises(ConfigError, match=r"model\.remat: expected 'none' or 'dots' or 'full'"):
        Config.from_dict({"model": {"remat": 1}})


def test_missing_settings_take_their_defaults() -> None:
    assert Config.from_dict({}) == Config()
    assert Config.from_dict({"train": {"steps": 5}}).train == TrainConfig(steps=5)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"model": {"flux": 1}}, "config.model.*flux"),
        ({"modle": {}}, "config.*modle"),
        ({"model": 3}, "config.model.*int"),
        ([], "config.*list"),
        ({"model": {"layers": "6"}}, "config.model.layers.*int.*'6'"),
        ({"model": {"layers": 6.0}}, "config.model.layers.*int.*6.0"),
        ({"model": {"layers": True}}, "config.model.layers.*int.*True"),
        ({"train": {"tensorboard": 1}}, "config.train.tensorboard.*bool"),
        ({"model": {"dtype": "float16"}}, "config.model.dtype.*float32.*float16"),
        ({"data": {"dir": 4}}, "config.data.dir.*str"),
        ({"optimizer": {"learning_rate": math.nan}}, "learning_rate.*nan.*finite"),
        ({"loss": {"auxiliary": math.inf}}, "auxiliary.*inf.*finite"),
    ],
)
def test_what_is_not_a_config_is_named(values: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Config.from_dict(values)


@pytest.mark.parametrize(
    ("part", "setting", "value"),
    [
        (ModelConfig, "patch_size", 7),
        (ModelConfig, "heads", 5),
        (ModelConfig, "layers", 0),
        (ModelConfig, "moe_every", 0),
        (ModelConfig, "experts", -1),
        (ModelConfig, "top_k", 0),
        (ModelConfig, "top_k", 9),
        (ModelConfig, "expert_dim", -1),
        (ModelConfig, "shared_dim", -1),
        (ModelConfig, "capacity_factor", 0.0),
        (ModelConfig, "eval_capacity_factor", -1.0),
        (ModelConfig, "vocab_size", 256),
        (ModelConfig, "text_length", 1),
        (LossConfig, "initial_temperature", 2.0),
        (DataConfig, "batch_size", 1),
        (DataConfig, "captions_per_image", 0),
        (DataConfig, "english_share", 1.5),
        (TrainConfig, "steps", 0),
        (TrainConfig, "patch_keep", 0.0),
        (TrainConfig, "log_every", 0),
    ],
)
def test_what_cannot_work_is_refused_by_name(part: type, setting: str, value: float) -> None:
    with pytest.raises(ConfigError, match=setting):
        part(**{setting: value})


@pytest.mark.parametrize("sizes", [{"image_size": 0}, {"patch_size": -8}])
def test_sizes_are_positive(sizes: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="must lie between 1 and"):
        ModelConfig(**sizes)


def test_whole_numbers_are_taken_for_real_ones() -> None:
    assert Config.from_dict({"loss": {"auxiliary": 1}}).loss.auxiliary == 1.0


@pytest.mark.parametrize(
    ("layers", "every", "blocks"), [(6, 2, (1, 3, 5)), (12, 4, (3, 7, 11)), (3, 1, (0, 1, 2))]
)
def test_experts_are_in_every_nth_block(layers: int, every: int, blocks: tuple[int, ...]) -> None:
    assert ModelConfig(layers=layers, moe_every=every).moe_layers == blocks


def test_soft_minimum_of_experts_is_the_papers() -> None:
    """At 32 experts τ_text = log 9 and τ_image = log 20; a modality needs one expert at least."""
    loss = LossConfig()
    assert math.isclose(loss.threshold("text", 32), math.log(9))
    assert math.isclose(loss.threshold("image", 32), math.log(20))
    assert loss.threshold("text", 2) == 0.0


def test_the_papers_image_grid() -> None:
    model = ModelConfig(image_size=224, patch_size=16)
    assert (model.grid, model.patches) == (14, 196)
