"""Dispatch: tokens to the rows that their experts work on, and back.

The two layouts of those rows, and what they are for, are described in `limoe_core.model.experts`.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from limoe_core.config import ModelConfig
from limoe_core.devices.mesh import on_one_cpu
from limoe_core.model.assignment import Assignment, Queues
from limoe_core.model.experts import Chunks, ExpertWeights, in_buffers, in_segments


def works_in_segments(config: ModelConfig) -> bool:
    """Whether sorted tokens lie in segments here: see `limoe_core.model.experts`."""
    if config.expert_layout == "auto":
        return on_one_cpu()
    return config.expert_layout == "segments"


class Buffers(NamedTuple):
    """The same number of slots for every expert."""

    experts: int
    slots: int

    @property
    def rows(self) -> int:
        return self.experts * self.slots

    def starts(self, lengths: Int[Array, " E"]) -> Int[Array, " E"]:
        return jnp.arange(self.experts, dtype=jnp.int32) * self.slots

    def owner(self, row: Int[Array, " m"], starts: Int[Array, " E"]) -> Int[Array, " m"]:
        return row // self.slots

    def experts_on(
        self,
        sent: Float[Array, "m d"],
        starts: Int[Array, " E"],
        lengths: Int[Array, " E"],
        weights: ExpertWeights,
    ) -> Float[Array, "m d"]:
        d = sent.shape[-1]
        return in_buffers(sent.reshape(self.experts, self.slots, d), weights).reshape(-1, d)


class Segments(NamedTuple):
    """As many rows for an expert as it has tokens, rounded up to a grain."""

    chunks: Chunks
    rows: int

    def starts(self, lengths: Int[Array, " E"]) -> Int[Array, " E"]:
        return self.chunks.starts(lengths)

    def owner(self, row: Int[Array, " m"], starts: Int[Array, " E"]) -> Int[Array, " m"]:
        return jnp.searchsorted(starts, row, side="right") - 1

    def experts_on(
        self,
        sent: Float[Array, "m d"],
        starts: Int[Array, " E"],
        lengths: Int[Array, " E"],
        weights: ExpertWeights,
    ) -> Float[Array, "m d"]:
        return in_segments(sent, starts, lengths, weights, self.chunks)


class Dispatch(NamedTuple):
    """The row that each kept choice is sent to, and the choice that each row holds."""

    layout: Buffers | Segments
    top_k: int
    starts: Int[Array, " E"]
    """First row of each expert."""
    lengths: Int[Array, " E"]
    """Tokens of each expert."""
    choice_of_row: Int[Array, " m"]
    """Token · K + rank; n · K for a row without a token."""
    row_of_choice: Int[Array, " nK"]
    """Its inverse; m for a choice that was dropped."""

    @classmethod
    def of(
        cls,
        config: ModelConfig,
        assignment: Assignment,
        queues: Queues,
        slots: int,
        capacity: int | Int[Array, ""],
    ) -> Dispatch:
        """The rows of an assignment.

        Args:
          slots: of a buffer; at least `capacity`, and known when this is compiled.
          capacity: choices of an expert that are kept.
        """
        choices, experts = assignment.expert.size, config.experts
        layout: Buffers | Segments = Buffers(experts, slots)
        if works_in_segments(config):
            chunks = Chunks.of(slots, choices, experts)
            layout = Segments(chunks, chunks.total(min(choices, experts * slots), experts))
        lengths = jnp.minimum(queues.lengths, capacity)
        starts = layout.starts(lengths)
        row = jnp.arange(layout.rows, dtype=jnp.int32)
        owner = layout.owner(row, starts)
        slot = row - starts[owner]
        choice_of_row = queues.order[jnp.minimum(queues.starts[owner] + slot, choices - 1)]
        choice_of_row = jnp.where(slot < lengths[owner], choice_of_row, choices)
        row_of_choice = jnp.where(
            assignment.kept, starts[assignment.expert] + assignment.slot, layout.rows
        ).reshape(-1)
        return cls(layout, config.top_k, starts, lengths, choice_of_row, row_of_choice)

    def send(self, x: Float[Array, "n d"]) -> Float[Array, "m d"]:
        """Each token's row for every expert that takes it; zeros between."""
        choices = jnp.repeat(x, self.top_k, axis=0) if self.top_k > 1 else x
        return gather_rows(choices, self.choice_of_row, self.row_of_choice)

    def experts_on(self, sent: Float[Array, "m d"], weights: ExpertWeights) -> Float[Array, "m d"]:
        """Every expert's MLP on its rows."""
        return self.layout.experts_on(sent, self.starts, self.lengths, weights)

    def combine(self, out: Float[Array, "m d"], weight: Float[Array, "n K"]) -> Float[Array, "n d"]:
        """Each token's sum over what its experts made of it, by weight; 0 for what was dropped."""
        n, k = weight.shape
        back = gather_rows(out, self.row_of_choice, self.choice_of_row).reshape(n, k, -1)
        # One choice after another: a gradient of shape (n,) takes XLA on a CPU a tenth of the time
        # of one of shape (n, 1).
        shares = (back[:, i] * weight[:, i].astype(out.dtype)[:, None] for i in range(k))
        return functools.reduce(jnp.add, shares)


@jax.custom_vjp
def gather_rows(
    x: Float[Array, "n d"], source: Int[Array, " m"], target: Int[Array, " n"]
) -> Float[Array, "m d"]:
    """Row `source[i]` of x as row i, and zeros where `source[i] == n`.

    `target` is the inverse: the row of the result that row j of x went to, m where it went nowhere.
    A row goes to one place at most, so the gradient is a gather by `target`; left to itself, JAX
    would make it a scatter-add, which is several times slower.
    """
    return x.at[source].get(mode="fill", fill_value=0)


def _forward(x: Array, source: Array, target: Array) -> tuple[Array, Array]:
    return gather_rows(x, source, target), target


def _backward(target: Array, grad: Array) -> tuple[Array, Any, Any]:
    return grad.at[target].get(mode="fill", fill_value=0), None, None


gather_rows.defvjp(_forward, _backward)
