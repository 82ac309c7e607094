"""What is said to be in float32 is so on every device: read from the programs before they compile.

A CPU multiplies float32 in full whatever it is asked, so that no result here could show it.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import pytest

from limoe_core.config import Config, ModelConfig
from limoe_core.data.augment import plain
from limoe_core.evaluation.embedding import in_float32
from limoe_core.inference import LoadedModel
from limoe_core.model.functional import FunctionalModel
from limoe_core.presets import preset
from limoe_core.training.optimizer import make_optimizer
from limoe_core.training.step import Batch, TrainState, lowered, make_train_step

_DOT = re.compile(
    r"stablehlo\.dot_general .*precision = \[(\w+), (\w+)\]"
    r".*: \(tensor<(?:\d+x)*(\w+)>, tensor<(?:\d+x)*(\w+)>\)"
)
_CAPTIONS = 2
_Shape: Any = jax.ShapeDtypeStruct


class Products(NamedTuple):
    """How many products of a program are asked for in full, and how many are not."""

    exact: int
    float32: int
    """Of two float32 factors, not asked for in full."""
    other: int

    @classmethod
    def of(cls, lowered: Any) -> Products:
        text = lowered.as_text()
        assert "convolution" not in text, "a product that is not counted here"
        found = _DOT.findall(text)
        assert len(found) == text.count("stablehlo.dot_general"), "a product that is not read"
        assert all(left == right for *_, left, right in found), "a product of two types"
        full = [set(precision) == {"HIGHEST"} for *precision, _, _ in found]
        float32 = [set(types) == {"f32"} for *_, left, right in found for types in [(left, right)]]
        assert all(f for f, e in zip(float32, full, strict=True) if e), "a full product of bfloat16"
        exact = sum(full)
        return cls(exact, sum(float32) - exact, len(found) - sum(float32))


def settings(dtype: str, *, optimizer: str = "adamw", block: int = 0, **model: Any) -> Config:
    config = preset("debug")
    dense_and_sparse: dict[str, Any] = {"layers": 2, "moe_every": 2, "expert_layout": "buffers"}
    return dataclasses.replace(
        config,
        model=dataclasses.replace(config.model, dtype=dtype, **{**dense_and_sparse, **model}),
        data=dataclasses.replace(config.data, batch_size=8, captions_per_image=_CAPTIONS),
        optimizer=dataclasses.replace(config.optimizer, name=optimizer),
        loss=dataclasses.replace(config.loss, contrastive_block=block),
    )


def in_parts(config: Config) -> Config:
    return dataclasses.replace(config, train=dataclasses.replace(config.train, micro_batches=2))


def of_step(config: Config) -> Products:
    functional = FunctionalModel.of(config)
    optimizer = make_optimizer(config.optimizer, 10, functional.roles)
    opt_state = jax.eval_shape(optimizer.init, functional.shapes)
    state = TrainState(functional.shapes, opt_state, _Shape((), jnp.int32))
    model, groups = config.model, config.train.groups
    pictures = config.data.batch_size // groups
    batch = Batch(
        _Shape((groups, pictures, 32, 32, 4), jnp.uint8),
        _Shape((groups, pictures, _CAPTIONS, model.text_length), jnp.int32),
        _Shape((groups, pictures * _CAPTIONS, model.text_length), jnp.int32),
        _Shape((groups, pictures, 2 + _CAPTIONS), jnp.int32),
    )
    step: Any = make_train_step(functional, optimizer, config, patches=model.patches // 2)
    return Products.of(lowered(step, state, batch))


def of_forward(functional: FunctionalModel, model: ModelConfig) -> Products:
    """Of what evaluation, traces, probes and interventions run."""
    size = model.image_size
    lowered = functional.forward.lower(
        functional.shapes,
        _Shape((2, size, size, 3), jnp.float32),
        _Shape((2, model.text_length), jnp.int32),
        _Shape((2,), jnp.bool_),
        None,
        capacity_factor=0.0,
        batch_priority=True,
        hidden=True,
    )
    return Products.of(lowered)


@pytest.mark.parametrize(
    "config",
    [
        settings("bfloat16"),
        in_parts(
            settings(
                "bfloat16",
                optimizer="muon",
                block=4,
                remat="full",
                shared_dim=16,
                expert_layout="segments",
            )
        ),
    ],
    ids=["adamw", "muon, micro-batches, blocks"],
)
def test_all_float32_of_a_bfloat16_step_is_full_float32(config: Config) -> None:
    """Augmentation, routers and their sums, heads, losses, Muon; and the gradients of all."""
    found = of_step(config)
    assert found.float32 == 0
    assert found.exact
    assert found.other, "the blocks are in bfloat16, which is asked for as it is"


def test_a_float32_step_asks_for_no_more_than_that() -> None:
    found = of_step(settings("float32"))
    assert found.exact == of_step(settings("bfloat16")).exact
    assert found.float32, "the blocks may be multiplied in TF32, for speed"


def test_a_float32_model_in_use_multiplies_in_full_float32() -> None:
    config = settings("float32")
    found = of_forward(FunctionalModel.of(config), config.model)
    assert found.exact
    assert found.float32 == found.other == 0


def test_a_bfloat16_model_in_use_has_its_routers_and_heads_in_full_float32() -> None:
    config = settings("bfloat16")
    found = of_forward(FunctionalModel.of(config), config.model)
    assert found.exact == len(config.model.moe_layers) + 2
    assert found.float32 == 0
    assert found.other


def test_what_is_evaluated_in_float32_multiplies_in_full_float32() -> None:
    config = settings("bfloat16")
    tokenizer: Any = None
    model = in_float32(LoadedModel(config, FunctionalModel.of(config), {}, tokenizer, 0))
    found = of_forward(model.functional, model.config.model)
    assert found.exact
    assert found.float32 == found.other == 0


def test_pictures_are_resampled_in_full_float32() -> None:
    pictures = _Shape((2, 72, 72, 4), jnp.uint8)
    found = Products.of(jax.jit(plain, static_argnums=1).lower(pictures, 32))
    assert found.exact >= 2
    assert found.float32 == found.other == 0
