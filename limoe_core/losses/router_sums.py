"""What the losses and the log need of one router, as sums over tokens.

Every auxiliary loss is a function of a few sums over the tokens of a batch. Sums of the parts of a
batch (routing groups, micro-batches, devices) add up to those of the whole, so a loss of the global
batch costs no more than E numbers a part, and stays exact however the batch is cut.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from limoe_core import losses
from limoe_core.model.moe import Routing
from limoe_core.trace import MODALITIES


class RouterSums(NamedTuple):
    """Sums over real tokens; the first axis of most is the modality, image then text."""

    tokens: Float[Array, "*b 2"]
    """How many real tokens there are."""
    probs: Float[Array, "*b 2 E"]
    """Gate distributions p(e|x)."""
    entropy: Float[Array, "*b 2"]
    """Entropies of single tokens' gate distributions, in nats."""
    load: Float[Array, "*b E"]
    """Chances to be among the chosen, over both modalities: see `losses.load_loss`."""
    squared_z: Float[Array, "*b"]
    """Squared logsumexps of the logits, over both modalities."""
    first: Float[Array, "*b 2 E"]
    """Tokens whose first choice is each expert."""
    choices: Float[Array, "*b 2 E"]
    """All K choices by expert, whether or not they found a place: K a token."""
    dropped: Float[Array, "*b 2"]
    """Share of its choices that found no place, summed over tokens."""

    @classmethod
    def of(
        cls,
        routing: Routing,
        valid: Bool[Array, " n"],
        modality: Int[Array, " n"],
        top_k: int,
    ) -> RouterSums:
        """The sums of one routing group."""
        probs = routing.probs
        codes = jnp.arange(len(MODALITIES))
        masks = (valid & (modality == codes[:, None])).astype(jnp.float32)  # (2, n)
        chosen = routing.assignment.expert[:, :, None] == jnp.arange(probs.shape[-1])  # (n, K, E)
        lost = jnp.mean(~routing.assignment.kept, axis=1, dtype=jnp.float32)
        return cls(
            tokens=jnp.sum(masks, axis=1),
            probs=masks @ probs,
            entropy=masks @ losses.entropy(probs),
            load=losses.load(routing.logits, routing.noisy_logits, top_k, valid),
            squared_z=jnp.sum(losses.squared_z(routing.logits, valid)),
            first=jax.lax.stop_gradient(masks @ chosen[:, 0].astype(jnp.float32)),
            choices=jax.lax.stop_gradient(masks @ jnp.sum(chosen, axis=1, dtype=jnp.float32)),
            dropped=jax.lax.stop_gradient(masks @ lost),
        )

    def total(self) -> RouterSums:
        """The sums of all parts, which the leading axes count."""
        ranks = RouterSums(1, 2, 1, 1, 0, 2, 2, 1)  # type: ignore[arg-type]
        return jax.tree.map(
            lambda x, rank: jnp.sum(x, axis=tuple(range(x.ndim - rank))), self, ranks
        )

    @property
    def mean_probs(self) -> Float[Array, "2 E"]:
        """Each modality's average gate distribution p̃; zeros for a modality without tokens."""
        return self.probs / jnp.maximum(self.tokens, 1.0)[:, None]
