"""The router: what each token's gate values are, and which experts it chooses."""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from limoe_core.config import ModelConfig
from limoe_core.model.assignment import choose
from limoe_core.precision import exact_float32
from limoe_core.roles import FROZEN, WEIGHT


class Intervention(NamedTuple):
    """A change to what routers do, for asking what an expert is for.

    Rows are for image tokens and text tokens; with a leading axis of MoE layers at model level.
    """

    bias: Float[Array, "*L 2 E"]
    """Added to the logits that choose; -inf sends an expert's tokens to their next best."""
    silence: Bool[Array, "*L 2 E"]
    """Experts that give a token nothing: it keeps its residual alone, as if it were dropped."""
    forced: Int[Array, "*L n"] | None = None
    """First choice of each token of the flat array, -1 where the router decides. The choice alone
    is forced: the expert counts by the gate value that the router gives it."""


class Decision(NamedTuple):
    """A router's decision about every token, before capacity is asked for."""

    logits: Float[Array, "n E"]
    """W_g x, without noise."""
    noisy_logits: Float[Array, "n E"]
    """The logits of the gates: with training noise, or with an intervention's bias."""
    choice: Int[Array, "n K"]
    """Chosen experts, best first."""
    priority: Float[Array, " n"]
    """Whose claims go first under Batch Priority Routing: the gate of the first choice."""
    gate: Float[Array, "n K"]
    """Gate value of each choice."""
    weight: Float[Array, "n K"]
    """Weight of each choice in the layer's output: its gate, or 0 for a silenced expert."""


class Router(NamedTuple):
    """Top-K routing by a linear map: x → `Decision`."""

    config: ModelConfig
    weights: Float[Array, "d E"]
    balance: Float[Array, "2 E"] | None = None
    """Added to each modality's gate values when they choose, and not when they weigh."""

    @exact_float32()
    def __call__(
        self,
        x: Float[Array, "n d"],
        modality: Int[Array, " n"],
        noise: jax.Array | None = None,
        intervention: Intervention | None = None,
        kind: Int[Array, " n"] | None = None,
    ) -> Decision:
        """
        Args:
          x: tokens, images and text together.
          modality: 0 for image tokens, 1 for text tokens; only a balance per modality and an
            intervention look at it.
          noise: key of the training noise; None for no noise.
          intervention: one layer's, without the leading axis.
          kind: what `hash` looks at and nothing else: places of patches, then pieces of text.
        """
        config = self.config
        # In float32 whatever the rest runs in.
        logits = x.astype(jnp.float32) @ self.weights
        noisy = logits
        if noise is not None:
            deviation = config.router_deviation
            noisy = noisy + deviation * jax.random.normal(noise, logits.shape, jnp.float32)
        if intervention is not None:
            noisy = noisy + intervention.bias[modality]
        gates = jax.nn.softmax(noisy, axis=-1)
        scores = gates
        if self.balance is not None:
            # An expert that an intervention switched off stays so, whatever its bias.
            scores = jnp.where(jnp.isneginf(noisy), -jnp.inf, gates + self.balance[modality])
        if config.router == "hash":
            scores = jnp.where(jnp.isneginf(noisy), -jnp.inf, self._by_hash(kind))
        forced = None if intervention is None else intervention.forced
        if forced is not None:
            scores = jnp.where(forced[:, None] == jnp.arange(config.experts), jnp.inf, scores)
        choice, priority = choose(scores, config.top_k)
        gate = weight = jnp.take_along_axis(gates, choice, axis=-1)
        if config.router == "hash":
            gate = weight = jnp.full_like(gate, 1 / config.top_k)
        if self.balance is not None or forced is not None or config.router == "hash":
            priority = jax.lax.stop_gradient(gate[:, 0])
        if intervention is not None:
            silent = jnp.take_along_axis(intervention.silence[modality], choice, axis=-1)
            weight = jnp.where(silent, 0.0, weight)
        return Decision(logits, noisy, choice, priority, gate, weight)

    def _by_hash(self, kind: Int[Array, " n"] | None) -> Float[Array, "n E"]:
        """Scores that are highest, 0, for the expert of a token's kind, then for the next ones."""
        if kind is None:
            raise ValueError("a router by hash needs the kind of every token")
        config = self.config
        own = jnp.asarray(hashed_experts(config.patches, config.vocab_size, config.experts))[kind]
        return -((jnp.arange(config.experts) - own[:, None]) % config.experts).astype(jnp.float32)


@functools.lru_cache
def hashed_experts(patches: int, pieces: int, experts: int) -> Int[np.ndarray, " kinds"]:
    """The expert of every place in a picture and of every piece of text, the same in every run.

    Drawn at random, and as even as may be: no expert has more than one place, or piece, more than
    another.
    """
    rng = np.random.default_rng(0)
    drawn = [rng.permutation(count) % experts for count in (patches, pieces)]
    return np.concatenate(drawn).astype(np.int32)


def router_weights(config: ModelConfig, rngs: nnx.Rngs) -> nnx.Param:
    """Fresh router weights (d, E), which a frozen router keeps; zeros where it goes by hash."""
    small = jax.nn.initializers.normal(0.02)
    values = small(rngs.params(), (config.width, config.experts), jnp.float32)
    if config.router == "hash":
        values = jnp.zeros_like(values)
    return nnx.Param(values, role=WEIGHT if config.router == "learned" else FROZEN)


def balancing_bias(config: ModelConfig) -> nnx.Param | None:
    """The bias (2, E) of loss-free balancing, 0 at the start; None without it."""
    if config.balance == "none":
        return None
    return nnx.Param(jnp.zeros((2, config.experts), jnp.float32), role=FROZEN)


def rebalanced(
    balance: Float[Array, "2 E"], choices: Float[Array, "2 E"], config: ModelConfig
) -> Float[Array, "2 E"]:
    """The bias of loss-free balancing after a step (Wang et al., arXiv 2408.15664).

    It rises by a fixed rate for experts that were chosen less often than the average, and falls for
    the others: by all tokens, or for each modality by its own.

    Args:
      choices: how often each modality's tokens chose each expert, over the whole batch.
    """
    if config.balance == "all":
        choices = jnp.broadcast_to(jnp.sum(choices, axis=0), choices.shape)
    even = jnp.mean(choices, axis=-1, keepdims=True)
    return balance + config.balance_rate * jnp.sign(even - choices)
