"""The contrastive loss of LIMoE: image and text of a pair must find each other in a batch."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from limoe_core.precision import exact_float32


def contrastive_loss(
    image_embeddings: Float[Array, "b d"],
    text_embeddings: Float[Array, "b d"],
    temperature: Float[Array, ""] | float,
) -> Float[Array, ""]:
    """Symmetric softmax cross-entropy over the image-by-text similarity matrix, in nats.

    Row i of the images belongs to row i of the texts. Embeddings are expected at unit length;
    `temperature` divides their dot products. The two directions are averaged.
    """
    return contrast(image_embeddings, text_embeddings, temperature)[0]


@exact_float32()
def contrast(
    image_embeddings: Float[Array, "b d"],
    text_embeddings: Float[Array, "b d"],
    temperature: Float[Array, ""] | float,
    block: int = 0,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """`contrastive_loss`, and the share of images that are most like their own text.

    Args:
      block: rows of the similarity matrix that exist at one time; it must divide b. Memory then
        grows with b · block and not with b². 0 makes the whole matrix.
    """
    images = image_embeddings.astype(jnp.float32)
    texts = text_embeddings.astype(jnp.float32)
    pairs = images.shape[0]
    if pairs % (block or 1):
        raise ValueError(f"{pairs} pairs are not a multiple of a block of {block}")
    if 0 < block < pairs:
        return _contrast_in_blocks(images, texts, temperature, block)
    similarity = images @ texts.T / temperature
    of_pair = jnp.diagonal(similarity)
    image_to_text = jax.nn.logsumexp(similarity, axis=1) - of_pair
    text_to_image = jax.nn.logsumexp(similarity, axis=0) - of_pair
    right = jnp.argmax(similarity, axis=1) == jnp.arange(pairs)
    loss = 0.5 * (jnp.mean(image_to_text) + jnp.mean(text_to_image))
    return loss, jnp.mean(right, dtype=jnp.float32)


def _contrast_in_blocks(
    images: Float[Array, "b d"],
    texts: Float[Array, "b d"],
    temperature: Float[Array, ""] | float,
    block: int,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """`contrast` with a running logsumexp of the columns; the backward pass makes blocks again."""
    pairs = images.shape[0]
    of_pair = jnp.sum(images * texts, axis=1) / temperature

    def per_block(x: Array) -> Array:
        # Each block takes rows from all over the batch, so that devices that hold parts of the
        # batch work on every block together.
        return x.reshape(block, pairs // block, *x.shape[1:]).swapaxes(0, 1)

    @jax.checkpoint
    def add(carry: tuple[Array, Array], rows: tuple[Array, Array, Array]) -> tuple[Any, Any]:
        top, total = carry
        own, pair, index = rows
        similarity = own @ texts.T / temperature
        right = jnp.argmax(similarity, axis=1) == index
        new_top = jax.lax.stop_gradient(jnp.maximum(top, jnp.max(similarity, axis=0)))
        total = total * jnp.exp(top - new_top) + jnp.sum(jnp.exp(similarity - new_top), axis=0)
        return (new_top, total), (jax.nn.logsumexp(similarity, axis=1) - pair, right)

    start = (jnp.full(pairs, -jnp.inf), jnp.zeros(pairs))
    rows = (per_block(images), per_block(of_pair), per_block(jnp.arange(pairs)))
    (top, total), (image_to_text, right) = jax.lax.scan(add, start, rows)
    text_to_image = jnp.log(total) + top - of_pair
    loss = 0.5 * (jnp.mean(image_to_text) + jnp.mean(text_to_image))
    return loss, jnp.mean(right, dtype=jnp.float32)
