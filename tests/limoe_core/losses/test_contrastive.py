"""The contrastive loss against a plain loop in float64, and what it must reward."""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limoe_core import losses

contrastive_loss = jax.jit(losses.contrastive_loss)
with_slopes = jax.jit(
    jax.value_and_grad(losses.contrast, argnums=(0, 1, 2), has_aux=True), static_argnames="block"
)


def contrastive_by_hand(
    images: np.ndarray,
    texts: np.ndarray,
    temperature: float,
    counts: Callable[[int, int], bool] = lambda image, text: True,
) -> float:
    """`counts(i, j)`: whether text j is a negative of image i, and image i one of text j."""
    b = len(images)
    similarity = [
        [sum(float(x) * float(y) for x, y in zip(i, t, strict=True)) / temperature for t in texts]
        for i in images
    ]
    total = 0.0
    for i in range(b):
        row = [similarity[i][j] for j in range(b) if j == i or counts(i, j)]
        column = [similarity[j][i] for j in range(b) if j == i or counts(j, i)]
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
    (wanted, right), slopes = with_slopes(images, texts, 0.5, block=0)
    for block in (1, 3, 4, 12):
        (found, found_right), found_slopes = with_slopes(images, texts, 0.5, block=block)
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
        assert found_right == right
        for ours, theirs in zip(found_slopes, slopes, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="12 pairs are not a multiple of a block of 5"):
        losses.contrast(images, texts, 0.5, 5)


# ---- pairs that are true of each other


def random_pairs(seed: int, b: int, d: int = 5) -> tuple[np.ndarray, np.ndarray]:
    vectors = np.random.default_rng(seed).normal(size=(2, b, d))
    images, texts = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return images.astype(np.float32), texts.astype(np.float32)


def labels_of(images: list[list[int]], texts: list[list[int]]) -> losses.Labels:
    return losses.Labels(jnp.asarray(images, jnp.int32), jnp.asarray(texts, jnp.int32))


LABELS = st.lists(
    st.lists(st.integers(0, 5), min_size=4, max_size=4), min_size=12, max_size=12
).map(lambda rows: labels_of([row[:2] for row in rows], [row[2:] for row in rows]))


@given(LABELS, st.integers(0, 2**32 - 1), st.floats(0.02, 1))
def test_what_is_true_of_an_image_is_no_negative_of_it(
    labels: losses.Labels, seed: int, temperature: float
) -> None:
    images, texts = random_pairs(seed, 12)
    mine, theirs = labels.images.tolist(), labels.texts.tolist()

    def counts(i: int, j: int) -> bool:
        return not any(one == other for one, other in zip(mine[i], theirs[j], strict=True))

    (found, right), slopes = with_slopes(images, texts, temperature, block=0, labels=labels)
    wanted = contrastive_by_hand(images, texts, temperature, counts)
    np.testing.assert_allclose(float(found), wanted, rtol=2e-5, atol=1e-5)
    similarity = images.astype(float) @ texts.T.astype(float)
    best = [
        max((similarity[i, j], j) for j in range(12) if j == i or counts(i, j))[1]
        for i in range(12)
    ]
    assert right == pytest.approx(np.mean(np.array(best) == np.arange(12)))

    (cut, cut_right), cut_slopes = with_slopes(images, texts, temperature, block=4, labels=labels)
    np.testing.assert_allclose(cut, found, rtol=1e-5, atol=1e-6)
    assert cut_right == right
    for ours, theirs in zip(cut_slopes, slopes, strict=True):
        assert np.all(np.isfinite(theirs))
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5 / temperature)


def test_the_slope_is_that_of_the_loop() -> None:
    images, texts = (x.astype(np.float64) for x in random_pairs(1, 6))
    number = np.array([0, 1, 1, 2, 0, 3])
    labels = labels_of(number[:, None].tolist(), number[:, None].tolist())

    def loss(images: np.ndarray) -> float:
        return contrastive_by_hand(images, texts, 0.3, lambda i, j: number[i] != number[j])

    _, (slope, _, _) = with_slopes(images, texts, 0.3, block=0, labels=labels)
    for place in np.ndindex(images.shape):
        step = np.zeros_like(images)
        step[place] = 1e-5
        wanted = (loss(images + step) - loss(images - step)) / 2e-5
        np.testing.assert_allclose(slope[place], wanted, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("block", [0, 3])
def test_labels_that_all_differ_change_no_bit(block: int) -> None:
    images, texts = random_pairs(2, 12)
    alone = np.arange(12)[:, None].tolist()
    plain = with_slopes(images, texts, 0.1, block=block)
    found = with_slopes(images, texts, 0.1, block=block, labels=labels_of(alone, alone))
    jax.tree.map(np.testing.assert_array_equal, found, plain)


@pytest.mark.parametrize("block", [0, 3])
def test_a_batch_of_one_class_has_nothing_to_learn_from(block: int) -> None:
    images, texts = random_pairs(3, 12)
    same = [[7]] * 12
    (loss, right), slopes = with_slopes(
        images, texts, 0.1, block=block, labels=labels_of(same, same)
    )
    assert (abs(float(loss)) < 1e-6, float(right)) == (True, 1.0)
    for slope in slopes:
        np.testing.assert_allclose(slope, 0, atol=1e-6)


def test_a_text_may_be_true_of_an_image_and_not_the_other_way_round() -> None:
    """The caption of a picture is one of the captions of another, which has a further one here."""
    images, texts = random_pairs(4, 2)
    found = losses.contrastive_loss(images, texts, 1.0, labels_of([[1], [2]], [[2], [3]]))
    wanted = contrastive_by_hand(images, texts, 1.0, lambda i, j: (i, j) != (1, 0))
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
