"""The contrastive loss of LIMoE: image and text of a pair must find each other in a batch.

The other texts of a batch are an image's negatives, and the other images a text's. A batch of a
labelled set shows a class many times, and then some of them are true: such pairs are left out of
each other's negatives, as in UniCL (arXiv 2204.03610) they are told apart by labels. They are no
positives either, so the loss is that of CLIP wherever all labels differ.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from limoe_core.precision import exact_float32

#: In place of a similarity that does not count. It is finite, so a block may have nothing else.
_MASKED = jnp.finfo(jnp.float32).min


class Labels(NamedTuple):
    """Numbers that tell which other texts are true of an image.

    Text j is no negative of image i, nor image i one of text j, where they agree in any column.
    """

    images: Int[Array, "b k"]
    texts: Int[Array, "b k"]


def contrastive_loss(
    image_embeddings: Float[Array, "b d"],
    text_embeddings: Float[Array, "b d"],
    temperature: Float[Array, ""] | float,
    labels: Labels | None = None,
) -> Float[Array, ""]:
    """Symmetric softmax cross-entropy over the image-by-text similarity matrix, in nats.

    Row i of the images belongs to row i of the texts. Embeddings are expected at unit length;
    `temperature` divides their dot products. The two directions are averaged.

    Args:
      labels: see `Labels`; without, every other text is a negative. Where all pairs agree, there is
        nothing to tell apart and the loss is 0.
    """
    return contrast(image_embeddings, text_embeddings, temperature, labels=labels)[0]


@exact_float32()
def contrast(
    image_embeddings: Float[Array, "b d"],
    text_embeddings: Float[Array, "b d"],
    temperature: Float[Array, ""] | float,
    block: int = 0,
    labels: Labels | None = None,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """`contrastive_loss`, and the share of images that are more like their own text than any other.

    Args:
      block: rows of the similarity matrix that exist at one time; it must divide b. Memory then
        grows with b · block and not with b². 0 makes the whole matrix.
      labels: see `contrastive_loss`. The share is among the texts that count, too.
    """
    images = image_embeddings.astype(jnp.float32)
    texts = text_embeddings.astype(jnp.float32)
    pairs = images.shape[0]
    if pairs % (block or 1):
        raise ValueError(f"{pairs} pairs are not a multiple of a block of {block}")
    if 0 < block < pairs:
        return _contrast_in_blocks(images, texts, temperature, block, labels)
    similarity = images @ texts.T / temperature
    of_pair = jnp.diagonal(similarity)
    index = jnp.arange(pairs)
    if labels is not None:
        similarity = _without_true(similarity, labels.images, labels.texts, index)
    image_to_text = jax.nn.logsumexp(similarity, axis=1) - of_pair
    text_to_image = jax.nn.logsumexp(similarity, axis=0) - of_pair
    right = jnp.argmax(similarity, axis=1) == index
    loss = 0.5 * (jnp.mean(image_to_text) + jnp.mean(text_to_image))
    return loss, jnp.mean(right, dtype=jnp.float32)


def _contrast_in_blocks(
    images: Float[Array, "b d"],
    texts: Float[Array, "b d"],
    temperature: Float[Array, ""] | float,
    block: int,
    labels: Labels | None,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """`contrast` with a running logsumexp of the columns; the backward pass makes blocks again."""
    pairs = images.shape[0]
    of_pair = jnp.sum(images * texts, axis=1) / temperature

    def per_block(x: Array) -> Array:
        # Each block takes rows from all over the batch, so that devices that hold parts of the
        # batch work on every block together.
        return x.reshape(block, pairs // block, *x.shape[1:]).swapaxes(0, 1)

    @jax.checkpoint
    def add(carry: tuple[Array, Array], rows: tuple[Array, Array, Array, Any]) -> tuple[Any, Any]:
        top, total = carry
        own, pair, index, label = rows
        similarity = own @ texts.T / temperature
        if labels is not None:
            similarity = _without_true(similarity, label, labels.texts, index)
        right = jnp.argmax(similarity, axis=1) == index
        new_top = jax.lax.stop_gradient(jnp.maximum(top, jnp.max(similarity, axis=0)))
        total = total * jnp.exp(top - new_top) + jnp.sum(jnp.exp(similarity - new_top), axis=0)
        return (new_top, total), (jax.nn.logsumexp(similarity, axis=1) - pair, right)

    start = (jnp.full(pairs, -jnp.inf), jnp.zeros(pairs))
    label = None if labels is None else per_block(labels.images)
    rows = (per_block(images), per_block(of_pair), per_block(jnp.arange(pairs)), label)
    (top, total), (image_to_text, right) = jax.lax.scan(add, start, rows)
    text_to_image = jnp.log(total) + top - of_pair
    loss = 0.5 * (jnp.mean(image_to_text) + jnp.mean(text_to_image))
    return loss, jnp.mean(right, dtype=jnp.float32)


def _without_true(
    similarity: Float[Array, "rows b"],
    images: Int[Array, "rows k"],
    texts: Int[Array, "b k"],
    index: Int[Array, " rows"],
) -> Float[Array, "rows b"]:
    """Some rows of the similarity matrix without the texts that are true of their image, too.

    Args:
      images: labels of the rows' images.
      index: of each row in the batch; its own text stays.
    """
    return jnp.where(_agree(images, texts) & ~_own(index, texts.shape[0]), _MASKED, similarity)


def _agree(images: Int[Array, "rows k"], texts: Int[Array, "b k"]) -> Bool[Array, "rows b"]:
    columns = (images[:, k, None] == texts[None, :, k] for k in range(images.shape[1]))
    return functools.reduce(jnp.logical_or, columns)


def _own(index: Int[Array, " rows"], pairs: int) -> Bool[Array, "rows b"]:
    return index[:, None] == jnp.arange(pairs)
