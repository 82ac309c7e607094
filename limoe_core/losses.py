"""The contrastive loss, and the auxiliary losses that keep the routers of LIMoE stable.

Every auxiliary loss is about one router: n tokens, E experts, `probs = softmax(logits)` over the
experts. Tokens that a mask leaves out (padding, or the other modality) count for nothing. All is
computed in float32, and each function returns a scalar; over no tokens at all it is 0 with zero
gradients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from limoe_core.config import LossConfig

if TYPE_CHECKING:
    from limoe_core.moe import Routing


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
    logits = logits.astype(jnp.float32)
    noisy_logits = noisy_logits.astype(jnp.float32)
    experts = logits.shape[-1]
    if top_k == 1:
        threshold = jnp.max(noisy_logits, axis=-1, keepdims=True)
    else:
        threshold = jax.lax.top_k(noisy_logits, top_k)[0][:, -1:]
    # 1 − Φ(z) = Φ(−z), which keeps its precision in the tail; 1/σ = E.
    chance = jax.scipy.stats.norm.cdf((logits - threshold) * experts)
    return _squared_variation(jnp.sum(jnp.where(valid[:, None], chance, 0.0), axis=0))


def z_loss(logits: Float[Array, "n E"], valid: Bool[Array, " n"]) -> Float[Array, ""]:
    """Mean squared logsumexp of the logits, which keeps them small (ST-MoE, arXiv 2202.08906)."""
    z = jax.nn.logsumexp(logits.astype(jnp.float32), axis=-1)
    return jnp.sum(jnp.where(valid, jnp.square(z), 0.0)) / _count(valid)


def _entropy(p: Float[Array, "*b E"]) -> Float[Array, "*b"]:
    """Entropy over the last axis in nats, with 0 log 0 = 0 and a finite gradient there."""
    positive = p > 0
    return -jnp.sum(jnp.where(positive, p * jnp.log(jnp.where(positive, p, 1.0)), 0.0), axis=-1)


def local_entropy(probs: Float[Array, "n E"], mask: Bool[Array, " n"]) -> Float[Array, ""]:
    """Mean entropy of single tokens, in nats (Ω_local of LIMoE eq. 2).

    Low where tokens are sure of their expert. `mask` picks the tokens of one modality.
    """
    entropy = _entropy(probs.astype(jnp.float32))
    return jnp.sum(jnp.where(mask, entropy, 0.0)) / _count(mask)


def global_entropy(
    probs: Float[Array, "n E"], mask: Bool[Array, " n"], threshold: float
) -> Float[Array, ""]:
    """How far a modality's average gate distribution is from spread enough (LIMoE eq. 2).

    `max(0, τ + Ω_global)` with `Ω_global = −H(p̃)`, p̃ the mean of `probs` over `mask`, and
    `threshold` τ = log S in nats: 0 once the modality spreads over the like of S experts.
    """
    probs = probs.astype(jnp.float32)
    mean = jnp.sum(jnp.where(mask[:, None], probs, 0.0), axis=0) / _count(mask)
    return jnp.where(jnp.any(mask), jax.nn.relu(threshold - _entropy(mean)), 0.0)


def contrastive_loss(
    image_embeddings: Float[Array, "b d"],
    text_embeddings: Float[Array, "b d"],
    temperature: Float[Array, ""] | float,
) -> Float[Array, ""]:
    """Symmetric softmax cross-entropy over the image-by-text similarity matrix, in nats.

    Row i of the images belongs to row i of the texts. Embeddings are expected at unit length;
    `temperature` divides their dot products. The two directions are averaged.
    """
    images = image_embeddings.astype(jnp.float32)
    texts = text_embeddings.astype(jnp.float32)
    similarity = images @ texts.T / temperature
    of_pair = jnp.diagonal(similarity)
    image_to_text = jax.nn.logsumexp(similarity, axis=1) - of_pair
    text_to_image = jax.nn.logsumexp(similarity, axis=0) - of_pair
    return 0.5 * (jnp.mean(image_to_text) + jnp.mean(text_to_image))


def auxiliary_losses(
    routings: list[Routing],
    valid: Bool[Array, " n"],
    modality: Int[Array, " n"],
    config: LossConfig,
    top_k: int,
) -> dict[str, Float[Array, ""]]:
    """Every auxiliary loss by name, averaged over the MoE layers; {} for a dense twin.

    The ones that are switched off are there too, to be watched: `auxiliary_total` leaves them out.
    """
    per_layer = []
    for routing in routings:
        probs, logits = routing.probs, routing.logits
        image, text = valid & (modality == 0), valid & (modality == 1)
        experts = logits.shape[-1]
        per_layer.append(
            {
                "importance": importance_loss(probs, valid),
                "load": load_loss(logits, routing.noisy_logits, top_k, valid),
                "z_loss": z_loss(logits, valid),
                "local_entropy_image": local_entropy(probs, image),
                "local_entropy_text": local_entropy(probs, text),
                "global_entropy_image": global_entropy(
                    probs, image, config.threshold("image", experts)
                ),
                "global_entropy_text": global_entropy(
                    probs, text, config.threshold("text", experts)
                ),
            }
        )
    if not per_layer:
        return {}
    return jax.tree.map(lambda *values: sum(values) / len(values), *per_layer)


def auxiliary_total(losses: dict[str, Float[Array, ""]], config: LossConfig) -> Float[Array, ""]:
    """What is added to the contrastive loss: the weighted mean over the losses in use."""
    weights = {name: getattr(config, name) for name in losses}
    used = [name for name, weight in weights.items() if weight]
    if not used:
        return jnp.zeros(())
    weighted = jnp.stack([weights[name] * losses[name] for name in used])
    return config.auxiliary * jnp.mean(weighted)
