"""The experts' MLPs on tokens that were sorted by expert.

Two layouts of the sorted tokens. *Buffers* give every expert the same C slots, which makes two
batched matrix products, the best there is on accelerators and the one that can be spread over
devices; slots that stay empty are computed all the same. *Segments* lie one behind the other, each
as long as its expert has tokens, and are worked on in chunks, one after another: on a CPU, whose
products are as fast one at a time, so nearly no work is done for empty slots.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float, Int

from limoe_core.devices.mesh import EXPERT, constrain
from limoe_core.model.activation import gelu

Carry = TypeVar("Carry")

#: Name of what a rematerialised block may keep: see `ModelConfig.remat`.
PRODUCT = "expert product"


class ExpertWeights(NamedTuple):
    """Of all E experts of one layer."""

    w_in: Float[Array, "E d h"]
    b_in: Float[Array, "E h"]
    w_out: Float[Array, "E h d"]
    b_out: Float[Array, "E d"]


def in_buffers(sent: Float[Array, "E C d"], weights: ExpertWeights) -> Float[Array, "E C d"]:
    """Every expert's MLP on its buffer."""
    # Where experts are spread over devices, tokens travel to theirs here, and back below.
    sent = constrain(sent, PartitionSpec(EXPERT))
    hidden = checkpoint_name(jnp.einsum("ecd,edh->ech", sent, weights.w_in), PRODUCT)
    active = gelu(hidden + weights.b_in[:, None])
    out = checkpoint_name(jnp.einsum("ech,ehd->ecd", active, weights.w_out), PRODUCT)
    return constrain(out + weights.b_out[:, None], PartitionSpec(EXPERT))


# ---- segments

_GRAIN, _SMALLEST_GRAIN = 128, 32
_GRAINS, _MOST_GRAINS = 8, 12


class Chunks(NamedTuple):
    """How segments are cut: into chunks of up to `most` grains of `grain` rows each.

    A segment starts where the one before it ends, rounded up to a grain, so its last grain is all
    that may be computed in part for nothing.
    """

    grain: int
    most: int
    one: bool
    """No segment is longer than a chunk."""

    @classmethod
    def of(cls, slots: int, tokens: int, experts: int) -> Chunks:
        """For segments of at most `slots` tokens, `tokens` of them in all."""
        if slots <= 2 * _GRAIN:  # so little work that few sizes serve all, and less is compiled
            most = -(-slots // _GRAIN)
            return cls(-(-slots // most), most, one=True)
        # Several grains for an even share, so that few rows are filler, and no tiny products.
        even = -(-tokens // experts)
        grain = _SMALLEST_GRAIN
        while grain < _GRAIN and 8 * grain < even:
            grain *= 2
        longest = -(-slots // grain)
        # A few more where that makes one chunk of every segment, since then no sum is kept between.
        one = longest <= _MOST_GRAINS
        return cls(grain, longest if one else _GRAINS, one)

    @property
    def rows(self) -> int:
        """Rows of a whole chunk."""
        return self.grain * self.most

    def total(self, tokens: int, experts: int) -> int:
        """Rows that always hold all segments, each a whole number of grains."""
        return tokens + experts * (self.grain - 1)

    def starts(self, lengths: Int[Array, " E"]) -> Int[Array, " E"]:
        """Where each segment starts."""
        rounded = -(-lengths // self.grain) * self.grain
        return jnp.cumsum(rounded) - rounded


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def in_segments(
    sent: Float[Array, "m d"],
    starts: Int[Array, " E"],
    lengths: Int[Array, " E"],
    weights: ExpertWeights,
    chunks: Chunks,
) -> Float[Array, "m d"]:
    """Every expert's MLP on its segment.

    Args:
      sent: the segments; rows between them may hold anything finite, and so may those of the
        result. The gradient of those must be 0.
      starts: of the segments, as `Chunks.starts` gives them.
      lengths: tokens of each segment.
    """
    return _forward(sent, starts, lengths, weights, chunks)[0]


def _forward(
    sent: Array, starts: Array, lengths: Array, weights: ExpertWeights, chunks: Chunks
) -> tuple[Array, Any]:
    def chunk(e: Array, at: Array, rows: int, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        one = jax.tree.map(lambda w: w[e], weights)
        hidden = _rows(sent, at, rows) @ one.w_in + one.b_in
        out = jax.nn.gelu(hidden) @ one.w_out + one.b_out
        return _put(carry[0], hidden, at), _put(carry[1], out, at)

    hidden_width = weights.w_in.shape[-1]
    empty = (jnp.zeros((len(sent), hidden_width), sent.dtype), jnp.zeros_like(sent))
    hidden, out = _each_chunk(chunk, starts, lengths, empty, chunks)
    return out, (sent, hidden, starts, lengths, weights)


def _backward(chunks: Chunks, kept: Any, slope: Array) -> tuple[Any, ...]:
    sent, hidden, starts, lengths, weights = kept

    def chunk(
        e: Array, at: Array, rows: int, carry: tuple[Array, ExpertWeights]
    ) -> tuple[Array, ExpertWeights]:
        of_sent, of_weights = carry
        one = jax.tree.map(lambda w: w[e], weights)
        mine = _rows(slope, at, rows)
        active, through = jax.vjp(jax.nn.gelu, _rows(hidden, at, rows))
        (inner,) = through(mine @ one.w_out.T)
        found = ExpertWeights(
            w_in=_product(_rows(sent, at, rows).T, inner),
            b_in=jnp.sum(inner, axis=0, dtype=jnp.float32),
            w_out=_product(active.T, mine),
            b_out=jnp.sum(mine, axis=0, dtype=jnp.float32),
        )
        if not chunks.one:
            found = jax.tree.map(lambda w, part: w[e] + part, of_weights, found)
        of_weights = jax.tree.map(lambda w, part: w.at[e].set(part), of_weights, found)
        return _put(of_sent, inner @ one.w_in.T, at), of_weights

    empty = (
        jnp.zeros_like(sent),
        jax.tree.map(lambda w: jnp.zeros(w.shape, jnp.float32), weights),
    )
    of_sent, of_weights = _each_chunk(chunk, starts, lengths, empty, chunks)
    of_weights = jax.tree.map(lambda w, part: part.astype(w.dtype), weights, of_weights)
    return of_sent, None, None, of_weights


in_segments.defvjp(_forward, _backward)


def _each_chunk(
    chunk: Callable[[Array, Array, int, Carry], Carry],
    starts: Array,
    lengths: Array,
    carry: Carry,
    chunks: Chunks,
) -> Carry:
    """Every chunk of every segment once, as `chunk(expert, first row, number of rows, carry)`.

    A number of rows must be known when it is compiled, so each has a loop of its own, over the
    chunks that have it. Choosing it inside one loop over all chunks would cost more: XLA on a CPU
    copies the whole carry through a conditional, and what a branch or a loop of at most one round
    computes from nothing but its surroundings is moved out of it and computed every time.
    """
    if not chunks.one:
        whole = lengths // chunks.rows
        ends = jnp.cumsum(whole)

        def whole_chunk(i: Array, carry: Carry) -> Carry:
            e = jnp.searchsorted(ends, i, side="right")
            return chunk(e, starts[e] + (i - (ends - whole)[e]) * chunks.rows, chunks.rows, carry)

        carry = jax.lax.fori_loop(0, ends[-1], whole_chunk, carry)
        starts, lengths = starts + whole * chunks.rows, lengths - whole * chunks.rows

    grains = -(-lengths // chunks.grain)
    order = jnp.argsort(grains)
    first = jnp.searchsorted(grains[order], jnp.arange(chunks.most + 2))
    for size in range(1, chunks.most + 1):

        def last_chunk(i: Array, carry: Carry, rows: int = size * chunks.grain) -> Carry:
            return chunk(order[i], starts[order[i]], rows, carry)

        carry = jax.lax.fori_loop(first[size], first[size + 1], last_chunk, carry)
    return carry


def _rows(x: Array, at: Array, rows: int) -> Array:
    return jax.lax.dynamic_slice_in_dim(x, at, rows)


def _put(x: Array, rows: Array, at: Array) -> Array:
    return jax.lax.dynamic_update_slice_in_dim(x, rows, at, 0)


def _product(left: Array, right: Array) -> Array:
    """Summed in float32 whatever its factors are."""
    return jnp.matmul(left, right, preferred_element_type=jnp.float32)
