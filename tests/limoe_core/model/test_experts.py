"""The experts' MLPs in both layouts, against one expert after another in plain numpy."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limoe_core.model.experts import Chunks, ExpertWeights, in_buffers, in_segments

EXPERTS, WIDTH, HIDDEN = 3, 6, 10
#: Segments of one chunk at most, and of several; grains so small that tests meet every case.
CHUNKS = [Chunks(grain=2, most=4, one=True), Chunks(grain=2, most=3, one=False)]

lengths = st.lists(st.integers(0, 8), min_size=EXPERTS, max_size=EXPERTS)


@functools.cache
def weights() -> ExpertWeights:
    rng = np.random.default_rng(0)
    sizes = ((WIDTH, HIDDEN), (HIDDEN,), (HIDDEN, WIDTH), (WIDTH,))
    return ExpertWeights(*(rng.normal(size=(EXPERTS, *size)).astype(np.float32) for size in sizes))


def by_hand(x: np.ndarray, e: int) -> np.ndarray:
    w = weights()
    hidden = x @ w.w_in[e] + w.b_in[e]
    active = 0.5 * hidden * (1 + np.tanh(np.sqrt(2 / np.pi) * (hidden + 0.044715 * hidden**3)))
    return active @ w.w_out[e] + w.b_out[e]


def rows_of(starts: np.ndarray, lengths: list[int]) -> list[np.ndarray]:
    return [start + np.arange(length) for start, length in zip(starts, lengths, strict=True)]


@functools.partial(jax.jit, static_argnums=3)
def segments(
    sent: jax.Array, starts: jax.Array, lengths: jax.Array, chunks: Chunks, mask: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, ExpertWeights]]:
    def loss(sent: jax.Array, weights: ExpertWeights) -> tuple[jax.Array, jax.Array]:
        out = in_segments(sent, starts, lengths, weights, chunks)
        return jnp.sum(jnp.where(mask, jnp.sin(out), 0.0)), out

    (_, out), gradients = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(
        sent, jax.tree.map(jnp.asarray, weights())
    )
    return out, gradients


@jax.jit
def one_at_a_time(
    sent: jax.Array, owner: jax.Array, mask: jax.Array
) -> tuple[jax.Array, ExpertWeights]:
    def loss(sent: jax.Array, weights: ExpertWeights) -> jax.Array:
        of_each = in_buffers(jnp.broadcast_to(sent, (EXPERTS, *sent.shape)), weights)
        out = of_each[owner, jnp.arange(len(sent))]
        return jnp.sum(jnp.where(mask, jnp.sin(out), 0.0))

    return jax.grad(loss, argnums=(0, 1))(sent, jax.tree.map(jnp.asarray, weights()))


@pytest.mark.parametrize("chunks", CHUNKS)
@given(lengths, st.integers(0, 2**31))
def test_segments_give_every_token_what_its_expert_gives(
    chunks: Chunks, lengths: list[int], seed: int
) -> None:
    starts = np.asarray(chunks.starts(jnp.asarray(lengths)))
    total = chunks.total(8 * EXPERTS, EXPERTS)
    sent = np.random.default_rng(seed).normal(size=(total, WIDTH)).astype(np.float32)
    mask, owner = np.zeros((total, 1), bool), np.zeros(total, np.int32)
    for e, rows in enumerate(rows_of(starts, lengths)):
        mask[rows], owner[rows] = True, e
    out, (of_sent, of_weights) = segments(sent, starts, np.asarray(lengths), chunks, mask)
    for e, rows in enumerate(rows_of(starts, lengths)):
        np.testing.assert_allclose(np.asarray(out)[rows], by_hand(sent[rows], e), atol=1e-4)
    wanted_sent, wanted_weights = one_at_a_time(sent, owner, mask)
    np.testing.assert_allclose(of_sent * mask, wanted_sent, atol=1e-4)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=2e-4), of_weights, wanted_weights
    )


@given(lengths, st.integers(1, 128))
def test_segments_start_at_grains_and_never_overlap(lengths: list[int], grain: int) -> None:
    chunks = Chunks(grain, 4, one=False)
    starts = np.asarray(chunks.starts(jnp.asarray(lengths)))
    assert np.all(starts % grain == 0)
    assert np.all(starts[1:] >= (starts + lengths)[:-1])
    last = -(-lengths[-1] // grain) * grain
    assert starts[-1] + last <= chunks.total(sum(lengths), EXPERTS)


@given(st.integers(1, 40_000), st.integers(1, 64), st.floats(1, 4))
def test_chunks_hold_what_they_promise(tokens: int, experts: int, factor: float) -> None:
    places = min(tokens, -(-int(tokens * factor) // experts))
    chunks = Chunks.of(places, tokens, experts)
    assert not chunks.one or places <= chunks.rows
    assert 1 <= chunks.most <= 12 and 1 <= chunks.grain <= 128
    assert chunks.most == 1 or chunks.grain >= 32


def test_buffers_agree_with_numpy() -> None:
    sent = np.random.default_rng(0).normal(size=(EXPERTS, 5, WIDTH)).astype(np.float32)
    out = in_buffers(jnp.asarray(sent), jax.tree.map(jnp.asarray, weights()))
    for e in range(EXPERTS):
        np.testing.assert_allclose(out[e], by_hand(sent[e], e), atol=1e-4)
