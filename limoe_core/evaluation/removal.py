"""What is left of a model when more and more of its experts are off, for one modality."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from limoe_core.evaluation.causal import pair_losses, rises, without_experts
from limoe_core.evaluation.embedding import Progress, silent
from limoe_core.evaluation.halves import Halves
from limoe_core.runs.experts import Removal
from limoe_core.trace import IMAGE, MODALITIES, TEXT

#: Random orders beside the one that takes the most needed experts first.
ORDERS = 5
#: Numbers of experts that are removed, at most; the first and the last are among them.
_STEPS = 10


def remove(
    halves: Halves,
    *,
    orders: int = ORDERS,
    seed: int = 0,
    progress: Progress = silent,
) -> Removal:
    """Losses and answers with more and more experts off, for one modality at a time.

    Tokens go to the best expert that is left. Every layer keeps as many experts as a token chooses.
    How much each expert is needed is measured on the first half of the pairs, by the rise of the
    loss without it alone, and the rest on the second half.

    Args:
      orders: random orders, besides the one that takes the most needed experts first.
    """
    config = halves.model.config.model
    layers = len(config.moe_layers)
    middle = len(halves.ids) // 2
    first, second = halves.part(slice(middle)), halves.part(slice(middle, None))
    need = np.zeros((2, layers, config.experts))
    for layer in progress("how much each expert is needed", range(layers)):
        for _, expert, rise in rises(first, [layer]):
            need[:, layer, expert] = rise.mean(axis=1)
    most = layers * (config.experts - config.top_k)
    removed = np.unique(np.linspace(0, most, min(_STEPS, most + 1)).round().astype(int))
    untouched = [second.embed(code, None) for code in range(2)]
    shape = (2, orders + 1, len(removed), len(second.ids))
    losses, right = np.zeros(shape), np.zeros(shape, bool)
    for order in progress("removing experts", range(orders + 1)):
        for code in range(len(MODALITIES)):
            rng = np.random.default_rng((seed, order))
            keys = -need[code] if order == 0 else rng.random(need[code].shape)
            sequence = _sequence(keys, config.top_k)
            for step, count in enumerate(removed.tolist()):
                changed = list(untouched)
                if count:
                    off = without_experts(layers, config.experts, code, sequence[:count])
                    changed[code] = second.embed(code, off)
                losses[code, order, step] = pair_losses(
                    changed[IMAGE], changed[TEXT], second.temperature
                )
                right[code, order, step] = answers(changed[IMAGE], changed[TEXT])
    return Removal(removed, losses, right)


def _sequence(keys: Float[np.ndarray, "L E"], kept: int) -> Sequence[tuple[int, int]]:
    """(layer, expert) by rising key; the last `kept` of each layer are left out."""
    layers, experts = keys.shape
    left = np.full(layers, experts - kept)
    found = []
    for place in np.argsort(keys, axis=None, kind="stable").tolist():
        layer, expert = divmod(place, experts)
        if left[layer]:
            left[layer] -= 1
            found.append((layer, expert))
    return found


def answers(
    image_embeddings: Float[np.ndarray, "N d"], text_embeddings: Float[np.ndarray, "N d"]
) -> Bool[np.ndarray, " N"]:
    """Whether each picture's own text is nearest to it among all; a tie is no right answer."""
    similarity = image_embeddings.astype(np.float64) @ text_embeddings.astype(np.float64).T
    own = np.diagonal(similarity)[:, None]
    others = ~np.eye(len(similarity), dtype=bool)
    return np.all((similarity < own) | ~others, axis=1)
