"""The contrastive loss against a plain loop in float64, and what it must reward."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limoe_core import losses

contrastive_loss = jax.jit(losses.contrastive_loss)


def contrastive_by_hand(images: np.ndarray, texts: np.ndarray, temperature: float) -> float:
    b = len(images)
    similarity = [
        [sum(float(x) * float(y) for x, y in zip(i, t, strict=True)) / temperature for t in texts]
        for i in images
    ]
    total = 0.0
    for i in range(b):
        row = similarity[i]
        column = [similarity[j][i] for j in range(b)]
        for choices in (row, column):
            top = max(choices)
            total += top + math.log(sum(math.exp(c - top) for c in choices)) - similarity[i][i]
    return total / (2 * b)


@given(
    st.sampled_from([(1, 4), (2, 3), (7, 16), (32, 8)]),
    st.integers(0, 2**32 - 1),
    st.floats(0.05, 1),
)
def test_contrastive_loss_agrees(shape: tuple[int, int], seed: int, temperature: float) -> None:
    rng = np.random.default_rng(seed)
    images, texts = rng.normal(size=(2, *shape))
    images = (images / np.linalg.norm(images, axis=1, keepdims=True)).astype(np.float32)
    texts = (texts / np.linalg.norm(texts, axis=1, keepdims=True)).astype(np.float32)
    found = contrastive_loss(jnp.asarray(images), jnp.asarray(texts), temperature)
    assert found.shape == ()
    assert found.dtype == jnp.float32
    wanted = contrastive_by_hand(images, texts, temperature)
    np.testing.assert_allclose(float(found), wanted, rtol=1e-5, atol=1e-5)


def test_contrastive_loss_of_known_cases() -> None:
    alike = np.ones((8, 4), np.float32) / 2
    np.testing.assert_allclose(losses.contrastive_loss(alike, alike, 0.1), math.log(8), rtol=1e-5)
    apart = np.eye(8, dtype=np.float32)
    wanted = math.log(1 + 7 * math.exp(-1 / 0.5))
    np.testing.assert_allclose(losses.contrastive_loss(apart, apart, 0.5), wanted, rtol=1e-5)
    assert losses.contrastive_loss(apart, np.roll(apart, 1, axis=0), 0.1) > 9


def test_contrastive_loss_treats_the_modalities_alike() -> None:
    rng = np.random.default_rng(3)
    images, texts = rng.normal(size=(2, 6, 4)).astype(np.float32)
    np.testing.assert_allclose(
        losses.contrastive_loss(images, texts, 0.7),
        losses.contrastive_loss(texts, images, 0.7),
        rtol=1e-6,
    )


def test_it_is_float32_whatever_comes_in() -> None:
    half = jnp.asarray(np.random.default_rng(4).normal(size=(6, 4)), jnp.bfloat16)
    exact = half.astype(jnp.float32)
    found = losses.contrastive_loss(half, half, 0.1)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, losses.contrastive_loss(exact, exact, 0.1), rtol=1e-6)


def test_blocks_of_the_matrix_give_the_loss_and_slopes_of_the_whole() -> None:
    rng = np.random.default_rng(5)
    images, texts = jnp.asarray(rng.normal(size=(2, 12, 4)), jnp.float32)
    whole = jax.value_and_grad(losses.contrast, argnums=(0, 1), has_aux=True)
    (wanted, right), slopes = whole(images, texts, 0.5)
    for block in (1, 3, 4, 12):
        (found, found_right), found_slopes = whole(images, texts, 0.5, block)
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
        assert found_right == right
        for ours, theirs in zip(found_slopes, slopes, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="12 pairs are not a multiple of a block of 5"):
        losses.contrast(images, texts, 0.5, 5)
