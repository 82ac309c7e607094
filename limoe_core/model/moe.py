"""The sparse mixture-of-experts layer: router, capacity, dispatch, experts, combine.

Letters used throughout: n tokens of a routing group (images and text together), E experts, K
choices a token, C places in an expert's buffer, d channels.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, Integer

from limoe_core.config import ModelConfig
from limoe_core.devices.mesh import on_one_cpu
from limoe_core.model.dispatch import gather_rows
from limoe_core.model.experts import Chunks, ExpertWeights, in_buffers, in_runs


class Assignment(NamedTuple):
    """Which expert each token chose, and which place of its buffer it got."""

    expert: Int[Array, "n K"]
    """Chosen experts, best first; -1 for padding."""
    position: Int[Array, "n K"]
    """Place in the expert's buffer, from 0; -1 where the choice got none."""
    kept: Bool[Array, "n K"]
    """Whether the choice got a place."""


class Routing(NamedTuple):
    """What one router decided about every token of its group."""

    logits: Float[Array, "n E"]
    """W_g x, without noise."""
    noisy_logits: Float[Array, "n E"]
    """The logits that chose the experts: with training noise, or with an intervention's bias."""
    assignment: Assignment
    gate: Float[Array, "n K"]
    """Weight of each choice in the layer's output, before any drop."""

    @property
    def probs(self) -> Float[Array, "n E"]:
        """The gate distribution p(e|x) = softmax(W_g x), without noise."""
        return jax.nn.softmax(self.logits, axis=-1)


class Intervention(NamedTuple):
    """A change to what routers do, for asking what an expert is for.

    Rows are for image tokens and text tokens; with a leading axis of MoE layers at model level.
    """

    bias: Float[Array, "*L 2 E"]
    """Added to the logits that choose; -inf sends an expert's tokens to their next best."""
    silence: Bool[Array, "*L 2 E"]
    """Experts that give a token nothing: it keeps its residual alone, as if it were dropped."""


def capacity(tokens: int, top_k: int, factor: float, experts: int) -> int:
    """Places in an expert's buffer: ceil(K · n · capacity_factor / E), between 1 and n."""
    return max(1, min(tokens, math.ceil(top_k * tokens * factor / experts * (1 - 1e-6))))


def _capacity_of(
    tokens: Integer[Array, ""], top_k: int, factor: float, experts: int, buffer: int
) -> Int[Array, ""]:
    """`capacity` of a number of tokens that is known only while running, at most `buffer`.

    In float32 it may come out one too high for tens of thousands of tokens; the bound keeps every
    place inside its expert's buffer.
    """
    share = tokens.astype(jnp.float32) * (top_k * factor / experts * (1 - 1e-6))
    return jnp.clip(jnp.ceil(share).astype(jnp.int32), 1, jnp.minimum(tokens, buffer))


def assign(
    gates: Float[Array, "n E"],
    valid: Bool[Array, " n"],
    top_k: int,
    capacity: int | Int[Array, ""],
    batch_priority: bool = True,
) -> Assignment:
    """Give each token's best experts a place in their buffers, while there are places.

    All first choices come before any second choice. Among choices of one rank, the token with the
    larger gate goes first (Batch Priority Routing, V-MoE, arXiv 2106.05974), or with
    `batch_priority=False` the earlier token. Ties go to the earlier token, and between one token's
    experts to the lower index. Padding, where `valid` is False, is routed nowhere.

    Args:
      gates: any scores that rank the experts of a token and the tokens of a group.
      valid: False for padding.
      top_k: choices a token (K), at most E.
      capacity: places in each expert's buffer (C).
      batch_priority: whether the order of claims follows the largest gate.
    """
    return _assign(gates, valid, top_k, capacity, batch_priority)[0]


def _assign(
    gates: Float[Array, "n E"],
    valid: Bool[Array, " n"],
    top_k: int,
    capacity: int | Int[Array, ""],
    batch_priority: bool,
) -> tuple[Assignment, Int[Array, " nK"], Int[Array, " E"], Int[Array, " E"]]:
    """`assign`, with the choices in the order of their claims.

    Besides the assignment: the choices (token · K + rank) sorted by expert and claim, where each
    expert's run of them starts, and how long it is.
    """
    n, experts = gates.shape
    gates = jax.lax.stop_gradient(gates)
    gates = jnp.where(gates == 0, 0, gates)  # or a negative zero would not tie with a positive
    if top_k == 1:
        choice = jnp.argmax(gates, axis=-1, keepdims=True).astype(jnp.int32)
        claim = jnp.max(gates, axis=-1)
    else:
        best, choice = jax.lax.top_k(gates, top_k)
        choice = choice.astype(jnp.int32)
        claim = best[:, 0]
    # One sort orders every expert's queue: by expert, then rank of the choice, then claim; being
    # stable, it leaves ties in the order of tokens. Padding sorts behind the last expert.
    rank = jnp.arange(top_k, dtype=jnp.int32)[:, None]
    queue = jnp.where(valid[None, :], choice.T * top_k + rank, experts * top_k).reshape(-1)
    tokens = jnp.tile(jnp.arange(n, dtype=jnp.int32), top_k)
    choices = (tokens.reshape(top_k, n) * top_k + rank).reshape(-1)
    if batch_priority:
        claims = jnp.tile(-claim, top_k)
        queue_sorted, _, order = jax.lax.sort((queue, claims, choices), num_keys=2, is_stable=True)
    else:
        queue_sorted, order = jax.lax.sort((queue, choices), num_keys=1, is_stable=True)
    expert_sorted = queue_sorted // top_k
    starts = jnp.searchsorted(expert_sorted, jnp.arange(experts + 1, dtype=jnp.int32))
    starts = starts.astype(jnp.int32)
    lengths = starts[1:] - starts[:-1]
    place_sorted = jnp.arange(n * top_k, dtype=jnp.int32) - starts[expert_sorted]
    place = jnp.zeros(n * top_k, jnp.int32).at[order].set(place_sorted, unique_indices=True)
    place = place.reshape(n, top_k)
    kept = valid[:, None] & (place < capacity)
    assignment = Assignment(
        expert=jnp.where(valid[:, None], choice, -1),
        position=jnp.where(kept, place, -1),
        kept=kept,
    )
    return assignment, order, starts[:-1], lengths


def works_in_runs(config: ModelConfig) -> bool:
    """Which layout sorted tokens have here: see `limoe_core.model.experts`."""
    if config.expert_layout == "auto":
        return on_one_cpu()
    return config.expert_layout == "runs"


class MoE(nnx.Module):
    """E expert MLPs and the router that sends each token to its top K of them."""

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs) -> None:
        experts, d, hidden = config.experts, config.width, config.mlp_dim
        self.config = config
        dense = jax.nn.initializers.variance_scaling(
            1.0, "fan_in", "truncated_normal", in_axis=-2, out_axis=-1, batch_axis=0
        )
        small = jax.nn.initializers.normal(0.02)
        self.router = nnx.Param(small(rngs.params(), (d, experts), jnp.float32))
        self.w_in = nnx.Param(dense(rngs.params(), (experts, d, hidden), jnp.float32))
        self.b_in = nnx.Param(jnp.zeros((experts, hidden), jnp.float32))
        self.w_out = nnx.Param(dense(rngs.params(), (experts, hidden, d), jnp.float32))
        self.b_out = nnx.Param(jnp.zeros((experts, d), jnp.float32))

    def __call__(
        self,
        x: Float[Array, "n d"],
        valid: Bool[Array, " n"],
        modality: Int[Array, " n"],
        *,
        capacity_factor: float,
        batch_priority: bool,
        noise: jax.Array | None = None,
        intervention: Intervention | None = None,
    ) -> tuple[Float[Array, "n d"], Routing]:
        """The layer's output, to be added to the residual, and what the router decided.

        Args:
          x: tokens, images and text together.
          valid: False for padding, whose output is 0.
          modality: 0 for image tokens, 1 for text tokens; only an intervention looks at it.
          capacity_factor: see `capacity`; 0 gives every expert room for every token.
          batch_priority: see `assign`.
          noise: key of the training noise; None for no noise.
          intervention: one layer's, without the leading axis.
        """
        config = self.config
        n, d = x.shape
        experts, k = config.experts, config.top_k

        # The router works in float32 whatever the rest runs in.
        logits = x.astype(jnp.float32) @ self.router[...]
        noisy = logits
        if noise is not None:
            deviation = config.router_noise / experts
            noisy = noisy + deviation * jax.random.normal(noise, logits.shape, jnp.float32)
        if intervention is not None:
            noisy = noisy + intervention.bias[modality]
        gates = jax.nn.softmax(noisy, axis=-1)

        # The buffer is as large as it must be if no token were padding.
        buffer = capacity(n, k, capacity_factor, experts) if capacity_factor else n
        places: int | Array = buffer
        if capacity_factor:
            places = _capacity_of(jnp.sum(valid), k, capacity_factor, experts, buffer)
        assignment, order, starts, lengths = _assign(gates, valid, k, places, batch_priority)
        gate = jnp.take_along_axis(gates, jnp.maximum(assignment.expert, 0), axis=-1)
        weight = jnp.where(assignment.kept, gate, 0.0)
        if intervention is not None:
            silent = jnp.take_along_axis(
                intervention.silence[modality], jnp.maximum(assignment.expert, 0), axis=-1
            )
            weight = jnp.where(silent, 0.0, weight)

        kept = jnp.minimum(lengths, places)
        if works_in_runs(config):
            chunks = Chunks.of(buffer, n * k, experts)
            rows, first = chunks.total(min(n * k, experts * buffer), experts), chunks.starts(kept)
        else:
            chunks = None
            rows, first = experts * buffer, jnp.arange(experts, dtype=jnp.int32) * buffer
        row = jnp.arange(rows, dtype=jnp.int32)
        owner = jnp.searchsorted(first, row, side="right") - 1 if chunks else row // buffer
        place = row - first[owner]
        choice_of_row = order[jnp.minimum(starts[owner] + place, n * k - 1)]
        choice_of_row = jnp.where(place < kept[owner], choice_of_row, n * k)
        row_of_choice = jnp.where(
            assignment.kept, first[assignment.expert] + assignment.position, rows
        ).reshape(-1)

        dtype = jnp.dtype(config.dtype)
        choices = jnp.repeat(x.astype(dtype), k, axis=0) if k > 1 else x.astype(dtype)
        sent = gather_rows(choices, choice_of_row, row_of_choice)
        weights = ExpertWeights(
            *(w[...].astype(dtype) for w in (self.w_in, self.b_in, self.w_out, self.b_out))
        )
        if chunks:
            out = in_runs(sent, first, kept, weights, chunks)
        else:
            out = in_buffers(sent.reshape(experts, buffer, d), weights).reshape(-1, d)
        back = gather_rows(out, row_of_choice, choice_of_row).reshape(n, k, d)
        # One choice after another: a gradient of shape (n,) takes XLA on a CPU a tenth of the time
        # of one of shape (n, 1).
        shares = (back[:, i] * weight[:, i].astype(dtype)[:, None] for i in range(k))
        y = functools.reduce(jnp.add, shares)
        return y, Routing(logits, noisy, assignment, gate)
