"""The contrastive loss, and the auxiliary losses that keep the routers of LIMoE stable.

Every auxiliary loss is about one router: n tokens, E experts, `probs = softmax(logits)` over the
experts. Tokens that a mask leaves out (padding, or the other modality) count for nothing. All is
computed in float32, and each function returns a scalar; over no tokens at all it is 0 with zero
gradients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from limoe_core.config import LossConfig

if TYPE_CHECKING:
    from limoe_core.losses.router_sums import RouterSums


def _count(mask: Bool[Array, " n"]) -> Float[Array, ""]:
    """Tokens in the mask, at least 1 so that it can divide."""
    return jnp.maximum(jnp.sum(mask.astype(jnp.float32)), 1.0)


def _squared_variation(x: Float[Array, " E"]) -> Float[Array, ""]:
    """(std / mean)² with the population standard deviation; 0 where the mean is 0."""
    mean = jnp.mean(x)
    used = mean > 0
    return jnp.where(used, jnp.var(x) / jnp.square(jnp.where(used, mean, 1.0)), 0.0)


def importance_loss(probs: Float[Array, "n E"], valid: Bool[Array, " n"]) -> Float[Array, ""]:
    """Squared coefficient of variation of the experts' total gate values (V-MoE, appendix A.2)."""
    probs = probs.astype(jnp.float32)
    return _squared_variation(jnp.sum(jnp.where(valid[:, None], probs, 0.0), axis=0))


def load_loss(
    logits: Float[Array, "n E"],
    noisy_logits: Float[Array, "n E"],
    top_k: int,
    valid: Bool[Array, " n"],
) -> Float[Array, ""]:
    """Squared coefficient of variation of a smooth count of tokens per expert (V-MoE, A.2).

    An expert's load is the summed chance that it would be among the k best, were its noise of
    standard deviation 1/E drawn again: `1 − Φ((η_k − logit) / σ)`, with η_k the token's k-th
    largest noisy logit.
    """
    return _squared_variation(load(logits, noisy_logits, top_k, valid))


def load(
    logits: Float[Array, "n E"],
    noisy_logits: Float[Array, "n E"],
    top_k: int,
    valid: Bool[Array, " n"],
) -> Float[Array, " E"]:
    """The smooth count of tokens per expert that `load_loss` balances."""
    logits = logits.astype(jnp.float32)
    noisy_logits = noisy_logits.astype(jnp.float32)
    experts = logits.shape[-1]
    if top_k == 1:
        # By its place, not by `jnp.max`, whose gradient looks for the number that equals the
        # largest and divides by how many do. Where a compiler computes the logits anew for that,
        # rounded otherwise, none does, and the gradient is 0/0 (seen on eight CPU devices).
        largest = jnp.arange(experts) == jnp.argmax(noisy_logits, axis=-1, keepdims=True)
        threshold = jnp.sum(jnp.where(largest, noisy_logits, 0.0), axis=-1, keepdims=True)
    else:
        threshold = jax.lax.top_k(noisy_logits, top_k)[0][:, -1:]
    # 1 − Φ(z) = Φ(−z), which keeps its precision in the tail; 1/σ = E.
    chance = jax.scipy.stats.norm.cdf((logits - threshold) * experts)
    return jnp.sum(jnp.where(valid[:, None], chance, 0.0), axis=0)


def z_loss(logits: Float[Array, "n E"], valid: Bool[Array, " n"]) -> Float[Array, ""]:
    """Mean squared logsumexp of the logits, which keeps them small (ST-MoE, arXiv 2202.08906)."""
    return jnp.sum(squared_z(logits, valid)) / _count(valid)


def squared_z(logits: Float[Array, "n E"], valid: Bool[Array, " n"]) -> Float[Array, " n"]:
    """Each token's squared logsumexp of its logits; 0 for padding."""
    z = jax.nn.logsumexp(logits.astype(jnp.float32), axis=-1)
    return jnp.where(valid, jnp.square(z), 0.0)


def entropy(p: Float[Array, "*b E"]) -> Float[Array, "*b"]:
    """Entropy over the last axis in nats, with 0 log 0 = 0 and a finite gradient there."""
    positive = p > 0
    return -jnp.sum(jnp.where(positive, p * jnp.log(jnp.where(positive, p, 1.0)), 0.0), axis=-1)


def local_entropy(probs: Float[Array, "n E"], mask: Bool[Array, " n"]) -> Float[Array, ""]:
    """Mean entropy of single tokens, in nats (Ω_local of LIMoE eq. 2).

    Low where tokens are sure of their expert. `mask` picks the tokens of one modality.
    """
    of_token = entropy(probs.astype(jnp.float32))
    return jnp.sum(jnp.where(mask, of_token, 0.0)) / _count(mask)


def global_entropy(
    probs: Float[Array, "n E"], mask: Bool[Array, " n"], threshold: float
) -> Float[Array, ""]:
    """How far a modality's average gate distribution is from spread enough (LIMoE eq. 2).

    `max(0, τ + Ω_global)` with `Ω_global = −H(p̃)`, p̃ the mean of `probs` over `mask`, and
    `threshold` τ = log S in nats: 0 once the modality spreads over the like of S experts.
    """
    probs = probs.astype(jnp.float32)
    total = jnp.sum(jnp.where(mask[:, None], probs, 0.0), axis=0)
    return _too_narrow(total, jnp.sum(mask.astype(jnp.float32)), threshold)


def _too_narrow(
    total: Float[Array, " E"], tokens: Float[Array, ""], threshold: float
) -> Float[Array, ""]:
    """`global_entropy` of the sum of `tokens` gate distributions; 0 of none."""
    short = jax.nn.relu(threshold - entropy(total / jnp.maximum(tokens, 1.0)))
    return jnp.where(tokens > 0, short, 0.0)


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


def auxiliary_losses(routers: list[RouterSums], config: LossConfig) -> dict[str, Float[Array, ""]]:
    """Every auxiliary loss by name, averaged over the MoE layers; {} for a dense twin.

    The ones that are switched off are there too, to be watched: `auxiliary_total` leaves them out.
    """
    per_layer = [_of_one_router(sums, config) for sums in routers]
    if not per_layer:
        return {}
    return jax.tree.map(lambda *values: sum(values) / len(values), *per_layer)


def _of_one_router(sums: RouterSums, config: LossConfig) -> dict[str, Float[Array, ""]]:
    tokens = jnp.maximum(sums.tokens, 1.0)
    experts = sums.probs.shape[-1]
    found = {
        "importance": _squared_variation(jnp.sum(sums.probs, axis=0)),
        "load": _squared_variation(sums.load),
        "z_loss": sums.squared_z / jnp.maximum(jnp.sum(sums.tokens), 1.0),
    }
    modalities: tuple[Literal["image", "text"], ...] = ("image", "text")
    for code, name in enumerate(modalities):
        found[f"local_entropy_{name}"] = sums.entropy[code] / tokens[code]
        found[f"global_entropy_{name}"] = _too_narrow(
            sums.probs[code], sums.tokens[code], config.threshold(name, experts)
        )
    return found


def auxiliary_total(losses: dict[str, Float[Array, ""]], config: LossConfig) -> Float[Array, ""]:
    """What is added to the contrastive loss: the weighted mean over the losses in use."""
    weights = {name: getattr(config, name) for name in losses}
    used = [name for name, weight in weights.items() if weight]
    if not used:
        return jnp.zeros(())
    weighted = jnp.stack([weights[name] * losses[name] for name in used])
    return config.auxiliary * jnp.mean(weighted)
