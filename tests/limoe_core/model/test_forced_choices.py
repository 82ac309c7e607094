"""Choices that an intervention forces on single tokens."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from limoe_core.model.router import Intervention, Router
from limoe_core.presets import preset


def decided(top_k: int, forced: list[int]):
    """What a router decides with and without forced choices, and its gate values."""
    config = dataclasses.replace(preset("debug").model, experts=4, top_k=top_k, width=8)
    x = jax.random.normal(jax.random.key(0), (len(forced), 8))
    router = Router(config, jax.random.normal(jax.random.key(1), (8, 4)))
    nothing = jnp.zeros((2, 4))
    modality = jnp.zeros(len(forced), jnp.int32)
    forcing = Intervention(nothing, nothing.astype(bool), jnp.asarray(forced))
    return router(x, modality), router(x, modality, None, forcing)


@pytest.mark.parametrize("top_k", [1, 2])
def test_a_forced_token_goes_first_where_it_is_sent_with_its_own_gate_value(top_k: int) -> None:
    forced = [0, 1, 2, 3, -1, 2]
    free, sent = decided(top_k, forced)
    gates = np.asarray(jax.nn.softmax(free.logits))
    assert np.array_equal(sent.logits, free.logits)
    for token, expert in enumerate(forced):
        order = [int(e) for e in np.argsort(-gates[token], kind="stable") if e != expert]
        wanted = (order if expert < 0 else [expert, *order])[:top_k]
        assert np.asarray(sent.choice)[token].tolist() == wanted
        np.testing.assert_allclose(sent.weight[token], gates[token, wanted], rtol=1e-6)
        np.testing.assert_allclose(sent.priority[token], gates[token, wanted[0]], rtol=1e-6)


def test_no_token_forced_is_no_change() -> None:
    free, sent = decided(1, [-1, -1, -1])
    for mine, theirs in zip(free, sent, strict=True):
        assert np.array_equal(mine, theirs)
