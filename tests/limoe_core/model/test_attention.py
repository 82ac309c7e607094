"""Attention by XLA holds against JAX's own; cuDNN's is asked for where it can be."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax._src.cudnn import fused_attention_stablehlo
from jaxtyping import Array

from limoe_core.config import ModelConfig
from limoe_core.model import attention
from limoe_core.model.attention import attend, why_no_cudnn
from limoe_core.model.functional import FunctionalModel
from limoe_core.presets import preset

_SHAPE = (3, 6, 2, 8)
"""Sequences, tokens, heads, channels of a head."""


def factors(dtype: str) -> tuple[Array, Array, Array, Array]:
    keys = jax.random.split(jax.random.key(0), 4)
    q, k, v, slope = (jax.random.normal(key, _SHAPE, jnp.float32) for key in keys)
    return q.astype(dtype), k.astype(dtype), v.astype(dtype), slope.astype(dtype)


def mask_of_two_captions() -> Array:
    caption = jnp.array([[0, 0, 0, 1, 1, 2]] * _SHAPE[0])
    return (caption[:, :, None] == caption[:, None, :])[:, None]


def with_slopes(attended: Any, dtype: str, mask: Array | None) -> list[np.ndarray]:
    @jax.jit
    def of(q: Array, k: Array, v: Array, slope: Array) -> Any:
        out, pull = jax.vjp(lambda q, k, v: attended(q, k, v, mask=mask), q, k, v)
        return out, *pull(slope)

    return [np.asarray(x, np.float32) for x in of(*factors(dtype))]


@pytest.mark.parametrize("mask", [None, mask_of_two_captions()], ids=["pictures", "captions"])
@pytest.mark.parametrize(("dtype", "near"), [("float32", 1e-6), ("bfloat16", 0.02)])
def test_it_is_jaxs_attention_and_gradient(dtype: str, near: float, mask: Array | None) -> None:
    """In bfloat16 both are as near to what float32 gives: a few of its steps of 2⁻⁸."""
    wanted = with_slopes(jax.nn.dot_product_attention, "float32", mask)
    for found, exact in zip(with_slopes(attend, dtype, mask), wanted, strict=True):
        np.testing.assert_allclose(found, exact, atol=near * np.abs(exact).max())


def model_of(attention: str, **model: Any) -> FunctionalModel:
    config = preset("debug")
    settings = {"dtype": "bfloat16", "attention": attention, **model}
    return FunctionalModel.of(
        dataclasses.replace(config, model=dataclasses.replace(config.model, **settings))
    )


def kernels_of_a_step(functional: FunctionalModel) -> tuple[int, int]:
    """Calls of cuDNN, forward and backward, in a gradient that is lowered for an NVIDIA GPU."""

    def loss(params: Any, pixels: Array, ids: Array) -> Array:
        # By group, as in training.
        output = jax.vmap(functional.bind(params))(pixels, ids)
        return jnp.sum(output.image_embeddings) + jnp.sum(output.text_embeddings)

    shapes = (
        jax.ShapeDtypeStruct((2, 2, 32, 32, 3), jnp.float32),
        jax.ShapeDtypeStruct((2, 2, 16), jnp.int32),
    )
    traced = jax.jit(jax.grad(loss)).trace(functional.shapes, *shapes)
    text = traced.lower(lowering_platforms=("cuda",)).as_text()
    backward = text.count("fmhaSoftmaxBackward") + text.count("fmhaScaleBiasSoftmaxBackward")
    return text.count("custom_call @__cudnn$fmha") - backward, backward


@pytest.mark.parametrize(("setting", "wanted"), [("auto", 2), ("cudnn", 4), ("xla", 0)])
def test_on_a_gpu_pictures_take_cudnn(
    setting: str, wanted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two blocks: of each the pictures, and the captions with their mask where it is asked for."""
    monkeypatch.setattr(attention, "why_no_cudnn", lambda config: "")
    monkeypatch.setattr(fused_attention_stablehlo, "check_cudnn_version", lambda: 91_000)
    functional = model_of(setting, router_noise=0.5)  # settings of no other test's model
    assert kernels_of_a_step(functional) == (wanted, wanted)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"dtype": "float32"}, "needs model.dtype bfloat16"),
        ({"width": 1024, "heads": 4}, "they have 256"),
        ({"width": 60, "heads": 5}, "they have 12"),
        ({}, "JAX runs on cpu"),
    ],
)
def test_what_cudnn_lacks_is_said(settings: dict[str, Any], reason: str) -> None:
    model = dataclasses.replace(ModelConfig(dtype="bfloat16"), **settings)
    assert reason in why_no_cudnn(model)
