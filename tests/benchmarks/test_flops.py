"""FLOPs counted from settings, against the products in what JAX really traces."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.flops import forward_products, muon_flops, total, training_flops
from benchmarks.machine import Product, with_gradients
from benchmarks.training import Tokens
from limoe_core.config import Config, OptimizerConfig
from limoe_core.losses import contrastive_loss
from limoe_core.model.functional import FunctionalModel, Params
from limoe_core.presets import dense_twin, preset
from limoe_core.training.optimizer import make_optimizer

PAIRS = 8


def traced_flops(function: Any, *arguments: Any) -> float:
    """FLOPs of every matrix product in the function, found in its jaxpr."""
    return flops_in(jax.make_jaxpr(function)(*arguments).jaxpr)


def flops_in(jaxpr: Any) -> float:
    found = 0.0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            shape = equation.invars[0].aval.shape
            depth = math.prod(shape[axis] for axis in contracted)
            found += 2.0 * depth * math.prod(equation.outvars[0].aval.shape)
        times = equation.params.get("length", 1) if equation.primitive.name == "scan" else 1
        found += times * sum(flops_in(inner) for inner in jaxprs_of(equation.params))
    return found


def jaxprs_of(params: dict[str, Any]) -> list[Any]:
    values = jax.tree.leaves(list(params.values()), is_leaf=lambda x: hasattr(x, "eqns"))
    closed = [getattr(value, "jaxpr", value) for value in values]
    return [value for value in closed if hasattr(value, "eqns")]


def config_named(name: str) -> Config:
    # At factor 1 the buffers hold as many places as there are tokens, so none is empty for long.
    config = preset("debug")
    config = dataclasses.replace(
        config, model=dataclasses.replace(config.model, capacity_factor=1.0)
    )
    return dense_twin(config) if name == "dense" else config


@pytest.mark.parametrize("name", ["limoe", "dense"])
def test_the_count_is_that_of_the_traced_model(name: str) -> None:
    # In buffers, whose shapes tell what is computed; runs are as long as they happen to be.
    config = config_named(name)
    model = dataclasses.replace(config.model, expert_layout="buffers")
    functional = FunctionalModel.of(dataclasses.replace(config, model=model))
    pixels = jnp.zeros((PAIRS, model.image_size, model.image_size, 3))
    # Texts without padding, since padding is computed but does not count.
    ids = jnp.ones((PAIRS, model.text_length), jnp.int32)
    tokens = Tokens(PAIRS, model.patches, np.full(PAIRS, model.text_length))
    assert not model.experts or tokens.total % model.experts == 0

    def loss(params: Params) -> jax.Array:
        bound = functional.bind(params)
        output = bound(pixels, ids)
        return contrastive_loss(output.image_embeddings, output.text_embeddings, bound.temperature)

    params = functional.shapes
    assert total(forward_products(model, tokens)) == traced_flops(loss, params)
    assert training_flops(model, tokens) == traced_flops(jax.grad(loss), params)


def test_dropped_tokens_and_padding_do_not_count() -> None:
    config = preset("debug")
    model = config.model
    whole = Tokens(PAIRS, model.patches, np.full(PAIRS, 5))
    with_empty = Tokens(PAIRS, model.patches, np.array([5] * PAIRS + [0] * PAIRS))
    heads = Product(PAIRS, model.width, model.embed_dim)
    similarity = Product(PAIRS, model.embed_dim, PAIRS)
    added = training_flops(model, with_empty) - training_flops(model, whole)
    assert added == 3 * (heads.flops + similarity.flops)
    half = training_flops(model, whole, kept=[0.5, 1.0])
    expert = Product(whole.total, model.width, model.mlp_dim).flops * 2
    assert training_flops(model, whole) - half == pytest.approx(3 * 0.5 * expert)


@pytest.mark.parametrize("name", ["limoe", "dense"])
@pytest.mark.parametrize("rule", ["muon", "adamw"])
def test_the_optimizers_products_are_those_of_its_traced_update(name: str, rule: Any) -> None:
    config = dataclasses.replace(config_named(name), optimizer=OptimizerConfig(name=rule))
    functional = FunctionalModel.of(config)
    optimizer = make_optimizer(config.optimizer, 10, functional.roles)
    params = functional.shapes
    state = jax.eval_shape(optimizer.init, params)
    traced = traced_flops(lambda g, s, p: optimizer.update(g, s, p)[0], params, state, params)
    assert muon_flops(config) == traced
    assert (traced > 0) == (rule == "muon")


def test_a_product_and_its_gradients_cost_the_same() -> None:
    product = Product(6, 4, 10, batch=3, times=2)
    assert product.flops == 2 * 3 * 6 * 4 * 10 * 2
    left, right = jnp.zeros((3, 6, 4)), jnp.zeros((3, 4, 10))
    gradient = jax.grad(lambda a, b: jnp.sum(jnp.sin(a @ b)), argnums=(0, 1))
    assert 2 * traced_flops(gradient, left, right) == sum(p.flops for p in with_gradients(product))
