"""The auxiliary losses of a router: `AUXILIARY_LOSSES` has one entry for each.

Every auxiliary loss is about one router: n tokens, E experts, `probs = softmax(logits)` over the
experts. Tokens that a mask leaves out (padding, or the other modality) count for nothing. All is
computed in float32, and each function of a loss returns a scalar; over no tokens at all it is 0
with zero gradients.

To add a loss: an entry here, and its weight under the same name in `LossConfig`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from limoe_core.config import LossConfig
from limoe_core.losses.sums import RoutedTokens, RouterSums, TokenSum, gates, sum_over, tokens

# ---- importance


def importance_loss(probs: Float[Array, "n E"], valid: Bool[Array, " n"]) -> Float[Array, ""]:
    """Squared coefficient of variation of the experts' total gate values (V-MoE, appendix A.2)."""
    return _squared_variation(_total(probs, valid))


def _squared_variation(x: Float[Array, " E"]) -> Float[Array, ""]:
    """(std / mean)² with the population standard deviation; 0 where the mean is 0."""
    mean = jnp.mean(x)
    used = mean > 0
    return jnp.where(used, jnp.var(x) / jnp.square(jnp.where(used, mean, 1.0)), 0.0)


# ---- load


def load_loss(
    logits: Float[Array, "n E"],
    noisy_logits: Float[Array, "n E"],
    top_k: int,
    valid: Bool[Array, " n"],
    deviation: float | None = None,
) -> Float[Array, ""]:
    """Squared coefficient of variation of a smooth count of tokens per expert (V-MoE, A.2).

    An expert's load is the summed chance that it would be among the k best, were its noise of
    standard deviation σ drawn again: `1 − Φ((η_k − logit) / σ)`, with η_k the token's k-th
    largest noisy logit.

    Args:
      deviation: σ, that of the noise in training; None for 1/E.
    """
    return _squared_variation(load(logits, noisy_logits, top_k, valid, deviation))


def load(
    logits: Float[Array, "n E"],
    noisy_logits: Float[Array, "n E"],
    top_k: int,
    valid: Bool[Array, " n"],
    deviation: float | None = None,
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
    sharpness = experts if deviation is None else 1 / deviation
    # 1 − Φ(z) = Φ(−z), which keeps its precision in the tail.
    chance = jax.scipy.stats.norm.cdf((logits - threshold) * sharpness)
    return jnp.sum(jnp.where(valid[:, None], chance, 0.0), axis=0)


def loads(group: RoutedTokens) -> Float[Array, " E"]:
    """Chances to be among the chosen, over both modalities."""
    routing = group.routing
    top_k = routing.assignment.expert.shape[-1]
    return load(routing.logits, routing.noisy_logits, top_k, group.valid, group.deviation)


# ---- z-loss


def z_loss(logits: Float[Array, "n E"], valid: Bool[Array, " n"]) -> Float[Array, ""]:
    """Mean squared logsumexp of the logits, which keeps them small (ST-MoE, arXiv 2202.08906)."""
    return _mean(jnp.sum(squared_z(logits, valid)), _count(valid))


def squared_z(logits: Float[Array, "n E"], valid: Bool[Array, " n"]) -> Float[Array, " n"]:
    """Each token's squared logsumexp of its logits; 0 for padding."""
    z = jax.nn.logsumexp(logits.astype(jnp.float32), axis=-1)
    return jnp.where(valid, jnp.square(z), 0.0)


def squared_zs(group: RoutedTokens) -> Float[Array, ""]:
    """Squared logsumexps of the logits, over both modalities."""
    return jnp.sum(squared_z(group.routing.logits, group.valid))


# ---- local and global entropy


def local_entropy(probs: Float[Array, "n E"], mask: Bool[Array, " n"]) -> Float[Array, ""]:
    """Mean entropy of single tokens, in nats (Ω_local of LIMoE eq. 2).

    Low where tokens are sure of their expert. `mask` picks the tokens of one modality.
    """
    return _mean(_total(entropy(probs.astype(jnp.float32)), mask), _count(mask))


def global_entropy(
    probs: Float[Array, "n E"], mask: Bool[Array, " n"], threshold: float
) -> Float[Array, ""]:
    """How far a modality's average gate distribution is from spread enough (LIMoE eq. 2).

    `max(0, τ + Ω_global)` with `Ω_global = −H(p̃)`, p̃ the mean of `probs` over `mask`, and
    `threshold` τ = log S in nats: 0 once the modality spreads over the like of S experts.
    """
    return _too_narrow(_total(probs, mask), _count(mask), threshold)


def entropy(p: Float[Array, "*b E"]) -> Float[Array, "*b"]:
    """Entropy over the last axis in nats, with 0 log 0 = 0 and a finite gradient there."""
    # The gradient of `jax.scipy.special.entr` is infinite at 0.
    positive = p > 0
    return -jnp.sum(jnp.where(positive, p * jnp.log(jnp.where(positive, p, 1.0)), 0.0), axis=-1)


def entropies(group: RoutedTokens) -> Float[Array, " 2"]:
    """Entropies of single tokens' gate distributions by modality, in nats."""
    return sum_over(group.masks, entropy(group.probs))


def _too_narrow(
    total: Float[Array, " E"], count: Float[Array, ""], threshold: float
) -> Float[Array, ""]:
    """How much less than `threshold` the entropy of a mean gate distribution is; 0 of none."""
    short = jax.nn.relu(threshold - entropy(_mean(total, count)))
    return jnp.where(count > 0, short, 0.0)


def _mean(total: Float[Array, "*E"], count: Float[Array, ""]) -> Float[Array, "*E"]:
    """The mean of `count` terms; 0 of none."""
    return total / jnp.maximum(count, 1.0)


def _total(x: Float[Array, " n *E"], mask: Bool[Array, " n"]) -> Float[Array, "*E"]:
    """The sum of `x` over the tokens in the mask, whatever the others hold."""
    kept = mask.reshape(-1, *[1] * (x.ndim - 1))
    return jnp.sum(jnp.where(kept, jnp.asarray(x, jnp.float32), 0.0), axis=0)


def _count(mask: Bool[Array, " n"]) -> Float[Array, ""]:
    return jnp.sum(jnp.asarray(mask, jnp.float32))


# ---- all of them


class AuxiliaryLoss(NamedTuple):
    """A loss of one router, as a function of sums over tokens."""

    name: str
    """Also that of its weight in `LossConfig`."""
    sums: tuple[TokenSum, ...]
    """Its sums over the tokens of every routing group."""
    value: Callable[[RouterSums, LossConfig], Float[Array, ""]]
    """The loss, from the sums of the whole batch."""


def _of_modality(code: int, name: Literal["image", "text"]) -> tuple[AuxiliaryLoss, ...]:
    """The losses that only the tokens of one modality feel."""

    def local(sums: RouterSums, config: LossConfig) -> Float[Array, ""]:
        return _mean(sums[entropies][code], sums[tokens][code])

    def across(sums: RouterSums, config: LossConfig) -> Float[Array, ""]:
        total = sums[gates][code]
        return _too_narrow(total, sums[tokens][code], config.threshold(name, total.shape[-1]))

    return (
        AuxiliaryLoss(f"local_entropy_{name}", (entropies,), local),
        AuxiliaryLoss(f"global_entropy_{name}", (gates,), across),
    )


AUXILIARY_LOSSES: tuple[AuxiliaryLoss, ...] = (
    AuxiliaryLoss(
        "importance", (gates,), lambda sums, _: _squared_variation(jnp.sum(sums[gates], axis=0))
    ),
    AuxiliaryLoss("load", (loads,), lambda sums, _: _squared_variation(sums[loads])),
    AuxiliaryLoss(
        "z_loss", (squared_zs,), lambda sums, _: _mean(sums[squared_zs], jnp.sum(sums[tokens]))
    ),
    *_of_modality(0, "image"),
    *_of_modality(1, "text"),
)
"""Every auxiliary loss that can be weighted in `LossConfig`."""

#: What the auxiliary losses need of every routing group.
AUXILIARY_SUMS: tuple[TokenSum, ...] = tuple(
    needed for loss in AUXILIARY_LOSSES for needed in loss.sums
)


def auxiliary_losses(routers: list[RouterSums], config: LossConfig) -> dict[str, Float[Array, ""]]:
    """Every auxiliary loss by name, averaged over the MoE layers; {} for a dense twin.

    The ones that are switched off are there too, to be watched: `auxiliary_total` leaves them out.
    """
    if not routers:
        return {}
    per_layer = [
        {loss.name: loss.value(sums, config) for loss in AUXILIARY_LOSSES} for sums in routers
    ]
    return jax.tree.map(lambda *values: sum(values) / len(values), *per_layer)


def auxiliary_total(losses: dict[str, Float[Array, ""]], config: LossConfig) -> Float[Array, ""]:
    """What is added to the contrastive loss: the weighted mean over the losses in use."""
    weights = {name: getattr(config, name) for name in losses}
    used = [name for name, weight in weights.items() if weight]
    if not used:
        return jnp.zeros(())
    weighted = jnp.stack([weights[name] * losses[name] for name in used])
    return config.auxiliary * jnp.mean(weighted)
