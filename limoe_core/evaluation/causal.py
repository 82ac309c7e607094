"""What each expert does to the loss: one is switched off for one modality, nothing else changes.

No token is dropped for lack of capacity, so that experts are measured and not their buffers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from limoe_core.evaluation.halves import Halves
from limoe_core.trace import IMAGE, TEXT

if TYPE_CHECKING:
    from limoe_core.model.router import Intervention

#: "next best": the expert's logit is -inf, so its tokens go to the best of the others. "none": its
#: tokens get nothing from the layer and keep their residual, as if they were dropped.
Variant = Literal["next best", "none"]
VARIANTS: tuple[Variant, ...] = ("next best", "none")


def pair_losses(
    image_embeddings: Float[np.ndarray, "N d"],
    text_embeddings: Float[np.ndarray, "N d"],
    temperature: float,
) -> Float[np.ndarray, " N"]:
    """Each pair's contribution to the contrastive loss, in nats; the mean is the loss."""
    similarity = image_embeddings.astype(np.float64) @ text_embeddings.astype(np.float64).T
    scaled = similarity / temperature
    to_text, to_image = logsumexp(scaled, axis=1), logsumexp(scaled, axis=0)
    return 0.5 * (to_text + to_image) - np.diagonal(scaled)


def without_experts(
    layers: int,
    experts: int,
    modality: int,
    off: Sequence[tuple[int, int]],
    variant: Variant = "next best",
) -> Intervention:
    """Experts switched off for the tokens of one modality.

    Args:
      layers: number of MoE layers.
      modality: 0 for image, 1 for text tokens.
      off: (index of the layer, expert).
    """
    import jax.numpy as jnp

    from limoe_core.model.router import Intervention

    bias = np.zeros((layers, 2, experts), np.float32)
    silence = np.zeros((layers, 2, experts), bool)
    for layer, expert in off:
        if variant == "next best":
            bias[layer, modality, expert] = -np.inf
        else:
            silence[layer, modality, expert] = True
    return Intervention(jnp.asarray(bias), jnp.asarray(silence))


def losses_as_it_is(halves: Halves) -> Float[np.ndarray, " N"]:
    """Each pair's contribution to the loss with all experts on."""
    return pair_losses(halves.embed(IMAGE, None), halves.embed(TEXT, None), halves.temperature)


def rises(
    halves: Halves,
    layers: Sequence[int],
    variant: Variant = "next best",
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[int, int, Float[np.ndarray, "2 N"]]]:
    """Rise of each pair's loss with an expert off for image tokens, and for text tokens.

    Args:
      layers: indices of MoE layers.
      progress: called with (done, total) forward passes.

    Yields: (index of the layer, expert, rises in nats), layer by layer.
    """
    config = halves.model.config.model
    untouched = [halves.embed(code, None) for code in range(2)]
    baseline = pair_losses(untouched[IMAGE], untouched[TEXT], halves.temperature)
    total, done = 2 * len(layers) * config.experts, 0
    for layer in layers:
        for expert in range(config.experts):
            rise = []
            for code in range(2):
                changed = list(untouched)
                off = [(layer, expert)]
                switch = without_experts(len(config.moe_layers), config.experts, code, off, variant)
                changed[code] = halves.embed(code, switch)
                found = pair_losses(changed[IMAGE], changed[TEXT], halves.temperature)
                rise.append(found - baseline)
                done += 1
                if progress is not None:
                    progress(done, total)
            yield layer, expert, np.stack(rise)
