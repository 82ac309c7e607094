"""The experts' MLPs on tokens that were sorted by expert.

Two layouts of the sorted tokens. *Buffers* give every expert the same C places, which makes two
batched matrix products, the best there is on accelerators and the one that can be spread over
devices; places that stay empty are computed all the same. *Runs* lie one behind the other, each as
long as its expert has tokens, and are worked on in chunks, one after another: on a CPU, whose
products are as fast one at a time, so nearly no work is done for empty places.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float, Int

from limoe_core.sharding import EXPERT, constrain


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
    hidden = jnp.einsum("ecd,edh->ech", sent, weights.w_in) + weights.b_in[:, None]
    out = jnp.einsum("ech,ehd->ecd", jax.nn.gelu(hidden), weights.w_out)
    return constrain(out + weights.b_out[:, None], PartitionSpec(EXPERT))


# ---- runs

_GRAIN, _SMALLEST_GRAIN = 128, 32
_GRAINS, _MOST_GRAINS = 8, 12


class Chunks(NamedTuple):
    """How runs are cut: into chunks of up to `most` grains of `grain` rows each.

    A run starts where the one before it ends, rounded up to a grain, so its last grain is all that
    may be computed in part for nothing.
    """

    grain: int
    most: int
    one: bool
    """No run is longer than a chunk."""

    @classmethod
    def of(cls, places: int, tokens: int, experts: int) -> Chunks:
        """For runs of at most `places` tokens, `tokens` of them in all."""
        if places <= 2 * _GRAIN:  # so little work that few sizes serve all, and less is compiled
            most = -(-places // _GRAIN)
            return cls(-(-places // most), most, one=True)
        # Several grains for an even share, so that few rows are filler, and no tiny products.
        even = -(-tokens // experts)
        grain = _SMALLEST_GRAIN
        while grain < _GRAIN and 8 * grain < even:
            grain *= 2
        longest = -(-places // grain)
        # A few more where that makes one chunk of every run, since then no sum is kept between.
        one = longest <= _MOST_GRAINS
        return cls(grain, longest if one else _GRAINS, one)

    @property
    def rows(self) -> int:
        """Rows of a whole chunk."""
        return self.grain * self.most

    def total(self, tokens: int, experts: int) -> int:
        """Rows that always hold all runs, and a whole chunk read or written from any start."""
        return tokens + experts * (self.grain - 1) + self.rows

    def starts(self, lengths: Int[Array, " E"]) -> Int[Array, " E"]:
        """Where each run starts."""
        rounded = -(-lengths // self.grain) * self.grain
        return jnp.cumsum(rounded) - rounded


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def in_runs(
    sent: Float[Array, "m d"],
    starts: Int[Array, " E"],
    lengths: Int[Array, " E"],
    weights: ExpertWeights,
    chunks: Chunks,
) -> Float[Array, "m d"]:
    """Every expert's MLP on its run.

    Args:
      sent: the runs; rows between them may hold anything finite, and so may those of the result.
        The gradient of those must be 0.
      starts: of the runs, as `Chunks.starts` gives them.
      lengths: tokens of each run.
    """
    return _forward(sent, starts, lengths, weights, chunks)[0]


def _forward(
    sent: Array, starts: Array, lengths: Array, weights: ExpertWeights, chunks: Chunks
) -> tuple[Array, Any]:
    def of_size(rows: int) -> Callable[..., tuple[Array, Array]]:
        def mlp(x: Array, one: ExpertWeights) -> tuple[Array, Array]:
            hidden = x[:rows] @ one.w_in + one.b_in
            out = jax.nn.gelu(hidden) @ one.w_out + one.b_out
            return _filled_up(hidden, chunks.rows), _filled_up(out, chunks.rows)

        return mlp

    def expert(e: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        one = jax.tree.map(lambda w: w[e], weights)

        def chunk(i: Any, carry: tuple[Array, Array]) -> tuple[Array, Array]:
            at = starts[e] + i * chunks.rows
            size, mlps = _size(lengths[e] - i * chunks.rows, chunks), _sizes(of_size, chunks)
            found = jax.lax.switch(size, mlps, _rows(sent, at, chunks), one)
            # What is filler here, the next chunk overwrites.
            return _put(carry[0], found[0], at), _put(carry[1], found[1], at)

        return _each_chunk(chunk, lengths[e], carry, chunks)

    width, hidden = weights.w_in.shape[1:]
    empty = (
        jnp.zeros((len(sent), hidden), sent.dtype),
        jnp.zeros((len(sent), width), sent.dtype),
    )
    hidden, out = jax.lax.fori_loop(0, len(lengths), expert, empty)
    return out, (sent, hidden, starts, lengths, weights)


def _backward(chunks: Chunks, kept: Any, slope: Array) -> tuple[Any, ...]:
    sent, hidden, starts, lengths, weights = kept

    def of_size(rows: int) -> Callable[..., tuple[Array, ExpertWeights]]:
        def pull(
            x: Array, hidden: Array, slope: Array, one: ExpertWeights
        ) -> tuple[Array, ExpertWeights]:
            x, hidden, slope = x[:rows], hidden[:rows], slope[:rows]
            active, through = jax.vjp(jax.nn.gelu, hidden)
            (inner,) = through(slope @ one.w_out.T)
            return _filled_up(inner @ one.w_in.T, chunks.rows), ExpertWeights(
                w_in=_product(x.T, inner),
                b_in=jnp.sum(inner, axis=0, dtype=jnp.float32),
                w_out=_product(active.T, slope),
                b_out=jnp.sum(slope, axis=0, dtype=jnp.float32),
            )

        return pull

    def expert(e: Array, carry: tuple[Array, ExpertWeights]) -> tuple[Array, ExpertWeights]:
        of_sent, of_weights = carry
        one = jax.tree.map(lambda w: w[e], weights)

        def chunk(i: Any, carry: tuple[Array, ExpertWeights | None]) -> tuple[Array, ExpertWeights]:
            of_sent, before = carry
            at = starts[e] + i * chunks.rows
            size, pulls = _size(lengths[e] - i * chunks.rows, chunks), _sizes(of_size, chunks)
            read = (_rows(array, at, chunks) for array in (sent, hidden, slope))
            of_rows, found = jax.lax.switch(size, pulls, *read, one)
            if before is not None:
                found = jax.tree.map(jnp.add, before, found)
            return _put(of_sent, of_rows, at), found

        nothing = jax.tree.map(lambda w: jnp.zeros(w.shape[1:], jnp.float32), weights)
        of_sent, mine = _each_chunk(
            chunk, lengths[e], (of_sent, None if chunks.one else nothing), chunks
        )
        return of_sent, jax.tree.map(lambda w, part: w.at[e].set(part), of_weights, mine)

    empty = (
        jnp.zeros_like(sent),
        jax.tree.map(lambda w: jnp.zeros(w.shape, jnp.float32), weights),
    )
    of_sent, of_weights = jax.lax.fori_loop(0, len(lengths), expert, empty)
    of_weights = jax.tree.map(lambda w, part: part.astype(w.dtype), weights, of_weights)
    return of_sent, None, None, of_weights


in_runs.defvjp(_forward, _backward)


def _sizes(of_size: Callable[[int], Any], chunks: Chunks) -> list[Any]:
    """A function for each number of grains in a chunk, from none."""
    return [of_size(grains * chunks.grain) for grains in range(chunks.most + 1)]


def _size(left: Array, chunks: Chunks) -> Array:
    """Which of `_sizes` a chunk needs that has `left` tokens before it."""
    return jnp.clip(-(-left // chunks.grain), 0, chunks.most)


def _each_chunk(chunk: Callable[..., Any], length: Array, start: Any, chunks: Chunks) -> Any:
    if chunks.one:
        return chunk(0, start)
    return jax.lax.fori_loop(0, -(-length // chunks.rows), chunk, start)


def _rows(x: Array, at: Array, chunks: Chunks) -> Array:
    return jax.lax.dynamic_slice_in_dim(x, at, chunks.rows)


def _put(x: Array, rows: Array, at: Array) -> Array:
    return jax.lax.dynamic_update_slice_in_dim(x, rows, at, 0)


def _filled_up(x: Array, rows: int) -> Array:
    return jnp.pad(x, ((0, rows - len(x)), (0, 0)))


def _product(left: Array, right: Array) -> Array:
    """Summed in float32 whatever its factors are."""
    return jnp.matmul(left, right, preferred_element_type=jnp.float32)
