"""Statistics of every router by modality, for the log."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from limoe_core.losses.router import entropies, entropy
from limoe_core.losses.sums import RoutedTokens, RouterSums, TokenSum, gates, sum_over, tokens
from limoe_core.trace import MODALITIES


def first_choices(group: RoutedTokens) -> Float[Array, "2 E"]:
    """Tokens of each modality whose first choice is each expert; without gradient."""
    return jax.lax.stop_gradient(sum_over(group.masks, group.chosen[:, 0]))


def dropped(group: RoutedTokens) -> Float[Array, " 2"]:
    """Share of a token's choices that found no place, by modality; without gradient."""
    lost = jnp.mean(~group.routing.assignment.kept, axis=1, dtype=jnp.float32)
    return jax.lax.stop_gradient(sum_over(group.masks, lost))


#: What `router_statistics` needs of every routing group.
STATISTIC_SUMS: tuple[TokenSum, ...] = (gates, entropies, first_choices, dropped)


def router_statistics(sums: RouterSums) -> dict[str, dict[str, Float[Array, "*E"]]]:
    """Logged statistics of one router by modality; 0 for a modality without tokens.

    Returns `{statistic: {modality: value}}` with
      share: (E,) share of the modality's tokens whose first choice is each expert;
      dropped: share of its choices that found no place;
      local_entropy: mean entropy of a token's gate distribution, in nats;
      global_entropy: entropy of the average gate distribution, in nats.
    """
    count = jnp.maximum(sums[tokens], 1.0)
    values = {
        "share": sums[first_choices] / count[:, None],
        "dropped": sums[dropped] / count,
        "local_entropy": sums[entropies] / count,
        "global_entropy": entropy(sums[gates] / count[:, None]),
    }
    return {name: dict(zip(MODALITIES, value, strict=True)) for name, value in values.items()}


def plain(values: Any) -> Any:
    """Nested arrays as nested Python numbers of six digits, ready for a line of JSON."""
    if isinstance(values, dict):
        return {key: plain(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [plain(value) for value in values]
    if isinstance(values, bool | int | str) or values is None:
        return values
    array = np.asarray(values)
    if array.ndim:
        return [plain(value) for value in array]
    return int(array) if array.dtype.kind in "iu" else float(f"{float(array):.6g}")
