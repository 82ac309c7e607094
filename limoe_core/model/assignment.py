"""Places in the experts' buffers: capacity, and which choices get one.

Letters used throughout the room: n tokens of a routing group (images and text together), E
experts, K choices a token, C slots in an expert's buffer, d channels.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Integer


class Assignment(NamedTuple):
    """The expert that each token chose, and the slot of its buffer that it got."""

    expert: Int[Array, "n K"]
    """Chosen experts, best first; -1 for padding."""
    slot: Int[Array, "n K"]
    """Place in the expert's buffer, from 0; -1 where the choice got none."""
    kept: Bool[Array, "n K"]
    """Whether the choice got a slot."""


class Queues(NamedTuple):
    """All choices (token · K + rank) in the order of their claims, expert after expert."""

    order: Int[Array, " nK"]
    starts: Int[Array, " E"]
    """Where each expert's queue starts."""
    lengths: Int[Array, " E"]
    """The number of choices in it."""


def capacity(tokens: int, top_k: int, factor: float, experts: int) -> int:
    """Slots in an expert's buffer: ceil(K · n · capacity_factor / E), between 1 and n."""
    return max(1, min(tokens, math.ceil(top_k * tokens * factor / experts * (1 - 1e-6))))


def capacity_of(
    tokens: Integer[Array, ""], top_k: int, factor: float, experts: int, buffer: int
) -> Int[Array, ""]:
    """`capacity` of a number of tokens that is known only while running, at most `buffer`.

    In float32 it may come out one too high for tens of thousands of tokens; the bound keeps every
    slot inside its expert's buffer.
    """
    share = tokens.astype(jnp.float32) * (top_k * factor / experts * (1 - 1e-6))
    return jnp.clip(jnp.ceil(share).astype(jnp.int32), 1, jnp.minimum(tokens, buffer))


def choose(scores: Float[Array, "n E"], top_k: int) -> tuple[Int[Array, "n K"], Float[Array, " n"]]:
    """Each token's K best experts, best first, and the score of the best.

    Ties go to the lower index.
    """
    scores = jax.lax.stop_gradient(scores)
    scores = jnp.where(scores == 0, 0, scores)  # or a negative zero would not tie with a positive
    if top_k == 1:
        choice = jnp.argmax(scores, axis=-1, keepdims=True).astype(jnp.int32)
        return choice, jnp.max(scores, axis=-1)
    best, choice = jax.lax.top_k(scores, top_k)
    return choice.astype(jnp.int32), best[:, 0]


def assign(
    gates: Float[Array, "n E"],
    valid: Bool[Array, " n"],
    top_k: int,
    capacity: int | Int[Array, ""],
    batch_priority: bool = True,
) -> Assignment:
    """Give each token's best experts a slot in their buffers, while there are slots.

    All first choices come before any second choice. Among choices of one rank, the token with the
    larger gate goes first (Batch Priority Routing, V-MoE, arXiv 2106.05974), or with
    `batch_priority=False` the earlier token. Ties go to the earlier token, and between one token's
    experts to the lower index. Padding, where `valid` is False, is routed nowhere.

    Args:
      gates: any scores that rank the experts of a token and the tokens of a group.
      valid: False for padding.
      top_k: choices a token (K), at most E.
      capacity: slots in each expert's buffer (C).
      batch_priority: whether the order of claims follows the largest gate.
    """
    choice, priority = choose(gates, top_k)
    claims = priority if batch_priority else None
    return assign_choices(choice, claims, valid, gates.shape[-1], capacity)[0]


def assign_choices(
    choice: Int[Array, "n K"],
    priority: Float[Array, " n"] | None,
    valid: Bool[Array, " n"],
    experts: int,
    capacity: int | Int[Array, ""],
) -> tuple[Assignment, Queues]:
    """`assign` of experts that are chosen already, with the queues that decided it.

    Args:
      choice: experts of each token, best first.
      priority: the token with the larger number goes first; None for the order of tokens.
      valid: False for padding.
      experts: how many there are (E).
      capacity: slots in each expert's buffer (C).
    """
    n, top_k = choice.shape
    # One sort orders every expert's queue: by expert, then rank of the choice, then claim; being
    # stable, it leaves ties in the order of tokens. Padding sorts behind the last expert.
    rank = jnp.arange(top_k, dtype=jnp.int32)[:, None]
    queue = jnp.where(valid[None, :], choice.T * top_k + rank, experts * top_k).reshape(-1)
    tokens = jnp.tile(jnp.arange(n, dtype=jnp.int32), top_k)
    choices = (tokens.reshape(top_k, n) * top_k + rank).reshape(-1)
    if priority is not None:
        claims = jnp.tile(-priority, top_k)
        queue_sorted, _, order = jax.lax.sort((queue, claims, choices), num_keys=2, is_stable=True)
    else:
        queue_sorted, order = jax.lax.sort((queue, choices), num_keys=1, is_stable=True)
    expert_sorted = queue_sorted // top_k
    starts = jnp.searchsorted(expert_sorted, jnp.arange(experts + 1, dtype=jnp.int32))
    starts = starts.astype(jnp.int32)
    lengths = starts[1:] - starts[:-1]
    slot_sorted = jnp.arange(n * top_k, dtype=jnp.int32) - starts[expert_sorted]
    slot = jnp.zeros(n * top_k, jnp.int32).at[order].set(slot_sorted, unique_indices=True)
    slot = slot.reshape(n, top_k)
    kept = valid[:, None] & (slot < capacity)
    assignment = Assignment(
        expert=jnp.where(valid[:, None], choice, -1), slot=jnp.where(kept, slot, -1), kept=kept
    )
    return assignment, Queues(order, starts[:-1], lengths)
