"""Sums over routed tokens against plain loops, and how those of parts add up."""

from __future__ import annotations

import dataclasses
import functools
import math
import operator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limoe_core import losses
from limoe_core.config import LossConfig, ModelConfig
from limoe_core.losses.router import (
    AUXILIARY_LOSSES,
    AUXILIARY_SUMS,
    AuxiliaryLoss,
    entropies,
    load,
    loads,
    squared_zs,
)
from limoe_core.losses.sums import RoutedTokens, RouterSums, TokenSum, choices, gates, tokens
from limoe_core.trace import MODALITIES
from limoe_core.training.router_metrics import STATISTIC_SUMS, dropped, first_choices
from tests.limoe_core.losses.routed import joined, of_modality, random_tokens, softmax

EVERY_SUM = tuple(dict.fromkeys((tokens, *AUXILIARY_SUMS, *STATISTIC_SUMS, choices)))
CONFIG = LossConfig(min_experts_image=1.0, min_experts_text=1.0)


def names(values: tuple) -> list[str]:
    return [getattr(value, "name", "") or value.__name__ for value in values]


# ---- each sum against a loop


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("top_k", [1, 2])
def test_sums_are_those_of_a_plain_loop(seed: int, top_k: int) -> None:
    group = random_tokens(seed, top_k=top_k)
    routing = jax.tree.map(np.asarray, group.routing)
    experts = routing.logits.shape[1]
    probs = softmax(routing.logits)
    wanted = {
        "tokens": np.zeros(2),
        "gates": np.zeros((2, experts)),
        "entropies": np.zeros(2),
        "choices": np.zeros((2, experts)),
        "loads": np.zeros(experts),
        "squared_zs": 0.0,
    }
    for code in (0, 1):
        for i in of_modality(group, code):
            wanted["tokens"][code] += 1
            wanted["gates"][code] += probs[i]
            wanted["entropies"][code] -= sum(p * math.log(p) for p in probs[i])
            for expert in routing.assignment.expert[i]:
                wanted["choices"][code, expert] += 1
            best = sorted(routing.noisy_logits[i].tolist(), reverse=True)[top_k - 1]
            for expert in range(experts):
                z = (best - float(routing.logits[i, expert])) * experts
                wanted["loads"][expert] += 0.5 * math.erfc(z / math.sqrt(2))
            z = math.log(sum(math.exp(float(logit)) for logit in routing.logits[i]))
            wanted["squared_zs"] += z**2
    sums = RouterSums.of(group, (gates, entropies, loads, squared_zs, choices))
    assert sums.by_name.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_allclose(sums.by_name[name], value, rtol=1e-5, atol=1e-5, err_msg=name)
    assert float(sums[choices].sum()) == top_k * float(sums[tokens].sum())


# ---- parts add up


@functools.partial(jax.jit, static_argnums=0)
def summed(wanted: tuple[TokenSum, ...], *parts: Any) -> RouterSums:
    """`RouterSums.of` compiled, for tokens that `taken_apart` took apart."""
    return RouterSums.of(RoutedTokens(*parts), wanted)


def taken_apart(group: RoutedTokens) -> tuple[Any, ...]:
    return group.routing, group.valid, group.modality


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=3))
def test_the_sums_of_parts_add_up_to_the_sums_of_the_whole(seeds: list[int]) -> None:
    groups = [random_tokens(seed) for seed in seeds]
    whole = summed(EVERY_SUM, *taken_apart(joined(groups)))
    parts = [summed(EVERY_SUM, *taken_apart(group)) for group in groups]
    added = functools.reduce(operator.add, parts)
    stacked = jax.tree.map(lambda *arrays: jnp.stack(arrays), *parts)
    in_two_axes = jax.tree.map(lambda x: x[:, None], stacked)
    for total in (added, stacked.total(), in_two_axes.total(), whole.total()):
        for name, value in whole.by_name.items():
            np.testing.assert_allclose(
                total.by_name[name], value, rtol=1e-5, atol=1e-5, err_msg=name
            )


def test_one_sum_that_several_ask_for_is_made_once() -> None:
    made = []

    def counted(group: RoutedTokens) -> jax.Array:
        made.append(group)
        return tokens(group)

    sums = RouterSums.of(random_tokens(0), (counted, gates, counted, tokens))
    assert len(made) == 1
    assert list(sums.by_name) == ["tokens", "counted", "gates"]


def test_two_sums_of_one_name_are_refused() -> None:
    def gates(group: RoutedTokens) -> jax.Array:
        return tokens(group)

    with pytest.raises(ValueError, match="two sums have one name"):
        RouterSums.of(random_tokens(0), (*AUXILIARY_SUMS, gates))


@pytest.mark.parametrize("what", EVERY_SUM, ids=names(EVERY_SUM))
def test_padding_is_in_no_sum(what: TokenSum) -> None:
    group = random_tokens(3)
    routing = group.routing
    noise = jnp.where(group.valid[:, None], 0.0, 7.0 * routing.logits + 1.0)
    changed = routing._replace(
        logits=routing.logits + noise, noisy_logits=routing.noisy_logits - noise
    )
    assert not bool(group.valid.all()), "there must be padding"
    np.testing.assert_allclose(
        what(dataclasses.replace(group, routing=changed)), what(group), rtol=1e-6
    )


# ---- one entry per loss


def by_public_functions(group: RoutedTokens) -> dict[str, jax.Array]:
    """Every auxiliary loss of one group, by the functions that anyone may call."""
    routing, valid = group.routing, group.valid
    experts, top_k = routing.logits.shape[1], routing.assignment.expert.shape[1]
    found = {
        "importance": losses.importance_loss(routing.probs, valid),
        "load": losses.load_loss(routing.logits, routing.noisy_logits, top_k, valid),
        "z_loss": losses.z_loss(routing.logits, valid),
    }
    for code, name in enumerate(MODALITIES):
        mask = valid & (group.modality == code)
        tau = CONFIG.threshold(name, experts)  # type: ignore[arg-type]
        found[f"local_entropy_{name}"] = losses.local_entropy(routing.probs, mask)
        found[f"global_entropy_{name}"] = losses.global_entropy(routing.probs, mask, tau)
    return found


all_by_public_functions = jax.jit(lambda *parts: by_public_functions(RoutedTokens(*parts)))


@pytest.mark.parametrize("loss", AUXILIARY_LOSSES, ids=names(AUXILIARY_LOSSES))
@given(seed=st.integers(0, 2**32 - 1))
def test_the_value_from_its_own_sums_is_that_of_the_public_function(
    loss: AuxiliaryLoss, seed: int
) -> None:
    group = taken_apart(random_tokens(seed))
    found = jax.jit(loss.value, static_argnums=1)(summed(loss.sums, *group), CONFIG)
    assert found.shape == ()
    # A global entropy is a small difference of numbers near 1: what float32 rounds remains.
    wanted = all_by_public_functions(*group)[loss.name]
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", AUXILIARY_LOSSES, ids=names(AUXILIARY_LOSSES))
def test_a_loss_of_a_batch_in_parts_has_the_slopes_of_the_loss_of_the_whole(
    loss: AuxiliaryLoss,
) -> None:
    groups = [random_tokens(seed) for seed in (1, 2, 3)]

    def of_parts(logits: list[jax.Array]) -> jax.Array:
        parts = [with_logits(group, z) for group, z in zip(groups, logits, strict=True)]
        sums = [RouterSums.of(part, loss.sums) for part in parts]
        return loss.value(functools.reduce(operator.add, sums), CONFIG)

    def of_whole(logits: list[jax.Array]) -> jax.Array:
        parts = [with_logits(group, z) for group, z in zip(groups, logits, strict=True)]
        return by_public_functions(joined(parts))[loss.name]

    logits = [group.routing.logits for group in groups]
    wanted = jax.jit(jax.grad(of_whole))(logits)
    assert max(float(jnp.abs(slope).max()) for slope in wanted) > 1e-3
    for ours, theirs in zip(jax.jit(jax.grad(of_parts))(logits), wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def with_logits(group: RoutedTokens, logits: jax.Array) -> RoutedTokens:
    return dataclasses.replace(group, routing=group.routing._replace(logits=logits))


def test_every_loss_has_a_weight_and_a_name_of_its_own() -> None:
    weights = {field.name for field in dataclasses.fields(LossConfig)}
    found = names(AUXILIARY_LOSSES)
    assert len(set(found)) == len(found)
    assert set(found) <= weights
    # As old runs have them in their config.json and metrics.jsonl.
    assert set(found) == {
        "importance", "load", "z_loss", "local_entropy_image", "local_entropy_text",
        "global_entropy_image", "global_entropy_text",
    }  # fmt: skip


def test_losses_are_averaged_over_layers_and_told_even_if_switched_off() -> None:
    layers = [RouterSums.of(random_tokens(seed), AUXILIARY_SUMS) for seed in (5, 6)]
    off = dataclasses.replace(CONFIG, importance=0.0)
    found = losses.auxiliary_losses(layers, off)
    each = [by_public_functions(random_tokens(seed)) for seed in (5, 6)]
    assert found.keys() == each[0].keys()
    for name, value in found.items():
        wanted = (float(each[0][name]) + float(each[1][name])) / 2
        np.testing.assert_allclose(value, wanted, rtol=1e-5, atol=1e-6, err_msg=name)
    assert losses.auxiliary_losses([], off) == {}


@pytest.mark.parametrize("what", [choices, first_choices, dropped])
def test_counts_have_no_slope(what: TokenSum) -> None:
    group = random_tokens(4)
    slope = jax.grad(lambda z: jnp.sum(what(with_logits(group, z)) ** 2))(group.routing.logits)
    assert not np.asarray(slope).any()


def test_the_load_is_smoothed_by_the_noise_of_training() -> None:
    group = random_tokens(4)
    routing = group.routing
    for deviation in (0.05, 2.0):
        wanted = load(routing.logits, routing.noisy_logits, 2, group.valid, deviation)
        found = loads(dataclasses.replace(group, deviation=deviation))
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert ModelConfig(experts=4, router_noise=3.0).router_deviation == 0.75
