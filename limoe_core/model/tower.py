"""The blocks one after another; in a deep model, a pattern that repeats is compiled once.

What is compiled, and how long that takes, then goes with the pattern and not with the depth. Every
block keeps its own parameters: they are stacked before the loop, and each round takes its own.
"""

from __future__ import annotations

import operator
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from limoe_core.config import ModelConfig
from limoe_core.model.block import Block
from limoe_core.model.experts import PRODUCT
from limoe_core.model.moe import MoE, Routing
from limoe_core.model.router import Intervention


class Repeats(NamedTuple):
    """Blocks `start` to `start + length · times`, of which each round has `length`."""

    start: int
    length: int
    times: int

    @property
    def end(self) -> int:
        """The first block behind them."""
        return self.start + self.length * self.times

    @classmethod
    def of(cls, kinds: Sequence[Hashable]) -> Repeats:
        """The pattern that leaves fewest blocks to compile; 0 times if none repeats."""
        best = cls(0, 1, 0)
        for length in range(1, len(kinds) // 2 + 1):
            run = 0
            for place in range(len(kinds) - length):
                run = run + 1 if kinds[place] == kinds[place + length] else 0
                found = cls(place + 1 - run, length, run // length + 1)
                if found.saved > best.saved:
                    best = found
        return best

    @property
    def rounds(self) -> range:
        """The first block of each round."""
        return range(self.start, self.end, self.length)

    @property
    def saved(self) -> int:
        """Blocks that need not be compiled."""
        return self.length * max(self.times - 1, 0)


class Seen(NamedTuple):
    """What the routers of some blocks decided and saw, one entry a mixture."""

    routings: list[Routing]
    hidden: list[Float[Array, "n d"]]
    """The input of each router."""

    def __add__(self, other: Any) -> Seen:
        return Seen(self.routings + other.routings, self.hidden + other.hidden)


class _Own(NamedTuple):
    """What a block has of its own beside its structure."""

    state: nnx.State
    noise: jax.Array | None
    intervention: Intervention | None


def run_tower(
    blocks: Sequence[Block],
    x: Float[Array, "n d"],
    config: ModelConfig,
    *,
    noise: jax.Array | None,
    intervention: Intervention | None,
    **options: Any,
) -> tuple[Float[Array, "n d"], Seen]:
    """The tokens after all blocks, and what the routers did.

    Args:
      noise: key of the routers' training noise; None for none.
      intervention: with a leading axis of MoE layers.
      options: what is the same for every block; see `Block`.
    """
    graphs, own = _apart(blocks, noise, intervention)

    def through(x: Array, start: int, own: Sequence[_Own]) -> tuple[Array, Seen]:
        """Blocks from `start` on, with what each has of its own."""
        seen = Seen([], [])
        for graph, (state, key, here) in zip(graphs[start:], own, strict=False):
            block = nnx.merge(graph, state)
            x, routing, router_input = _run(
                block, x, remat=config.remat, noise=key, intervention=here, **options
            )
            if routing is not None and router_input is not None:
                seen += Seen([routing], [router_input])
        return x, seen

    if not config.loops_over_blocks:
        return through(x, 0, own)
    shapes = [str(jax.tree.map(jnp.shape, each.state)) for each in own]
    loop = Repeats.of(list(zip(graphs, shapes, strict=True)))
    x, seen = through(x, 0, own[: loop.start])
    if loop.times:
        rounds = [own[round_ : round_ + loop.length] for round_ in loop.rounds]
        stacked = jax.tree.map(lambda *each: jnp.stack(each), *rounds)
        x, found = jax.lax.scan(lambda x, own: through(x, loop.start, own), x, stacked)
        for number in range(loop.times):
            seen += jax.tree.map(operator.itemgetter(number), found)
    x, behind = through(x, loop.end, own[loop.end :])
    return x, seen + behind


def _apart(
    blocks: Sequence[Block], noise: jax.Array | None, intervention: Intervention | None
) -> tuple[list[Any], list[_Own]]:
    """The structure of each block, and what it has of its own."""
    graphs: list[Any] = []
    own: list[_Own] = []
    mixtures = 0
    for index, block in enumerate(blocks):
        here = None
        if isinstance(block.mlp, MoE):
            if intervention is not None:
                here = jax.tree.map(operator.itemgetter(mixtures), intervention)
            mixtures += 1
        graph, state = nnx.split(block)
        key = None if noise is None else jax.random.fold_in(noise, index)
        graphs.append(graph)
        own.append(_Own(state, key, here))
    return graphs, own


#: What a block keeps for the backward pass, by `ModelConfig.remat`. Products of experts have an
#: axis that counts them, as those of attention do, and go by their name.
_KEPT: dict[str, Any] = {
    "dots": jax.checkpoint_policies.save_from_both_policies(
        jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
        jax.checkpoint_policies.save_only_these_names(PRODUCT),
    ),
    "full": jax.checkpoint_policies.nothing_saveable,
}


def _run(block: Block, x: Array, *, remat: str, **options: Any) -> tuple[Any, Any, Any]:
    """The block on x, with as much computed again in the backward pass as `remat` says."""

    def run(block: Block, x: Array) -> tuple[Any, Any, Any]:
        return block(x, **options)

    return (run if remat == "none" else nnx.remat(run, policy=_KEPT[remat]))(block, x)
