"""What is logged of every router, by modality."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from limoe_core.losses import _count, _entropy, local_entropy
from limoe_core.moe import Routing
from limoe_core.trace import MODALITIES


def router_statistics(
    routing: Routing, valid: Bool[Array, " n"], modality: Int[Array, " n"]
) -> dict[str, dict[str, Float[Array, "*b"]]]:
    """One router's statistics for each modality; 0 for a modality without tokens.

    Returns `{statistic: {modality: value}}` with
      share: (E,) share of the modality's tokens whose first choice is each expert;
      dropped: share of its choices that found no place;
      local_entropy: mean entropy of a token's gate distribution, in nats;
      global_entropy: entropy of the average gate distribution, in nats.
    """
    experts = routing.logits.shape[-1]
    probs = routing.probs
    first = routing.assignment.expert[:, 0]
    chose = first[:, None] == jnp.arange(experts)
    lost = jnp.mean(~routing.assignment.kept, axis=1, dtype=jnp.float32)
    found: dict[str, dict[str, Array]] = {
        name: {} for name in ("share", "dropped", "local_entropy", "global_entropy")
    }
    for code, name in enumerate(MODALITIES):
        mask = valid & (modality == code)
        tokens = _count(mask)
        found["share"][name] = jnp.sum(chose & mask[:, None], axis=0) / tokens
        found["dropped"][name] = jnp.sum(jnp.where(mask, lost, 0.0)) / tokens
        found["local_entropy"][name] = local_entropy(probs, mask)
        mean = jnp.sum(jnp.where(mask[:, None], probs, 0.0), axis=0) / tokens
        found["global_entropy"][name] = _entropy(mean)
    return found


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
