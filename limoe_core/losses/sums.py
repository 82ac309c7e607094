"""Sums over the tokens of one router, of which losses and statistics are made.

Every auxiliary loss is a function of a few sums over the tokens of a batch. Sums of the parts of a
batch (routing groups, micro-batches, devices) add up to those of the whole, so a loss of the global
batch costs no more than E numbers a part, and stays exact however the batch is cut.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from limoe_core.model.moe import Routing
from limoe_core.precision import exact_float32
from limoe_core.trace import MODALITIES


@dataclass(frozen=True, eq=False)
class RoutedTokens:
    """The n tokens of one routing group, and what one router decided about them."""

    routing: Routing
    valid: Bool[Array, " n"]
    """False for padding, which is in no sum."""
    modality: Int[Array, " n"]
    """0 for image tokens, 1 for text tokens."""
    deviation: float | None = None
    """Standard deviation of the noise on the router's logits; None where there is none."""

    @functools.cached_property
    def probs(self) -> Float[Array, "n E"]:
        """The gate distributions p(e|x)."""
        return self.routing.probs

    @functools.cached_property
    def masks(self) -> Float[Array, "2 n"]:
        """1 for the real tokens of each modality, 0 for all others."""
        codes = jnp.arange(len(MODALITIES))[:, None]
        return (self.valid & (self.modality == codes)).astype(jnp.float32)

    @functools.cached_property
    def chosen(self) -> Bool[Array, "n K E"]:
        """Whether each choice of a token, best first, is each expert."""
        return self.routing.assignment.expert[:, :, None] == jnp.arange(self.probs.shape[-1])


#: A sum over the tokens of a routing group. Its name tells it from others.
TokenSum = Callable[[RoutedTokens], Array]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class RouterSums:
    """Token sums of one router, which add up over the parts of a batch.

    `sums[gates]` is the sum that the function `gates` makes. The token counts are always there.
    """

    by_name: dict[str, Array]

    @classmethod
    def of(cls, group: RoutedTokens, wanted: Iterable[TokenSum]) -> RouterSums:
        """The wanted sums of one routing group; one that is wanted twice is made once."""
        made = dict.fromkeys([tokens, *wanted])
        by_name = {one.__name__: one(group) for one in made}
        if len(by_name) < len(made):
            raise ValueError(f"two sums have one name among {[one.__name__ for one in made]}")
        return cls(by_name)

    def __getitem__(self, wanted: TokenSum) -> Array:
        return self.by_name[wanted.__name__]

    def __add__(self, other: RouterSums) -> RouterSums:
        return jax.tree.map(jnp.add, self, other)

    def total(self) -> RouterSums:
        """The sum of all parts, which the leading axes count."""
        parts = tuple(range(self[tokens].ndim - 1))
        return jax.tree.map(lambda x: jnp.sum(x, axis=parts), self)


@exact_float32()
def sum_over(masks: Float[Array, "m n"], x: Shaped[Array, " n *E"]) -> Float[Array, " m *E"]:
    """The sum of `x` over the tokens of each mask, in float32."""
    return masks @ x.astype(jnp.float32)


# ---- sums of several uses; those of one loss or statistic are defined beside it


def tokens(group: RoutedTokens) -> Float[Array, " 2"]:
    """Real tokens of each modality."""
    return jnp.sum(group.masks, axis=1)


def gates(group: RoutedTokens) -> Float[Array, "2 E"]:
    """Gate distributions p(e|x) by modality."""
    return sum_over(group.masks, group.probs)


def choices(group: RoutedTokens) -> Float[Array, "2 E"]:
    """All K choices of each modality's tokens by expert, kept or dropped; without gradient."""
    return jax.lax.stop_gradient(sum_over(group.masks, jnp.sum(group.chosen, axis=1)))
