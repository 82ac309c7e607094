"""Experts by hash: a fixed function of which piece or which place a token is."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from limoe_core.model.functional import FunctionalModel, initial_params
from limoe_core.model.router import Intervention, Router, hashed_experts
from limoe_core.presets import preset
from limoe_core.training.optimizer import takes_muon


def test_every_expert_has_as_many_places_and_pieces_as_may_be() -> None:
    found = hashed_experts(64, 1000, 8)
    assert np.bincount(found[:64]).tolist() == [8] * 8
    assert np.bincount(found[64:]).tolist() == [125] * 8
    assert len(np.unique(found[:8])) > 3  # not row by row


@pytest.mark.parametrize("top_k", [1, 2])
def test_a_token_goes_by_its_kind_alone_and_counts_in_full(top_k: int) -> None:
    config = dataclasses.replace(
        preset("debug").model, experts=4, top_k=top_k, width=8, router="hash"
    )
    kind = jnp.array([0, 5, config.patches + 7, config.patches + 300])
    own = hashed_experts(config.patches, config.vocab_size, 4)[kind]
    modality = jnp.array([0, 0, 1, 1])
    router = Router(config, jnp.zeros((8, 4)))
    x = jax.random.normal(jax.random.key(0), (2, 4, 8))
    noise = jax.random.key(1)
    found = [np.asarray(router(each, modality, noise, kind=kind).choice) for each in x]
    np.testing.assert_array_equal(*found)
    np.testing.assert_array_equal(found[0], (own[:, None] + np.arange(top_k)) % 4)
    np.testing.assert_allclose(router(x[0], modality, kind=kind).weight, 1 / top_k)
    # An expert that is off for text is passed over there, and stays for images.
    off = jnp.zeros((2, 4)).at[1, own[2]].set(-jnp.inf)
    sent = np.asarray(
        router(x[0], modality, None, Intervention(off, jnp.zeros((2, 4), bool)), kind).choice
    )
    assert sent[2, 0] == (own[2] + 1) % 4
    np.testing.assert_array_equal(sent[:2], found[0][:2])
    with pytest.raises(ValueError, match="needs the kind"):
        router(x[0], modality)


@pytest.mark.training
def test_a_model_by_hash_sends_its_patches_and_pieces_where_they_belong() -> None:
    base = preset("debug")
    config = dataclasses.replace(base, model=dataclasses.replace(base.model, router="hash"))
    functional = FunctionalModel.of(config)
    params = initial_params(config, 0)
    texts = jnp.array([[9, 4, 0, 0], [300, 0, 0, 0]])
    places = jnp.array([[3, 1], [0, 15]])

    def run(params):
        pixels = jnp.zeros((2, 32, 32, 3))
        out = functional.bind(params)(pixels, texts, patches=places, capacity_factor=0.0)
        return jnp.sum(out.image_embeddings[:, 0]) + jnp.sum(out.text_embeddings[:, 0]), out

    gradients, out = jax.jit(jax.grad(run, has_aux=True))(params)
    table = hashed_experts(config.model.patches, config.model.vocab_size, config.model.experts)
    kinds = [3, 1, 0, 15, *(config.model.patches + np.array([9, 4, 300]))]
    for routing in out.routings:
        chosen = np.asarray(routing.assignment.expert)[:, 0]
        np.testing.assert_array_equal(chosen[chosen >= 0], table[kinds])
    for block in gradients["blocks"].values():
        assert not np.any(block["mlp"]["router"])
        assert np.any(block["mlp"]["w_in"])
    assert functional.roles.any(lambda role: role.frozen)
    assert takes_muon(functional.roles)(params)["blocks"][0]["mlp"]["router"] is False
