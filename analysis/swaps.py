"""Routers of one step or run put into another: how much of what was learned lies in the gates?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from analysis.arguments import check_count, check_pairs
from analysis.errors import AnalysisError
from limoe_core.evaluation.causal import pair_losses
from limoe_core.evaluation.halves import Halves
from limoe_core.evaluation.removal import answers
from limoe_core.trace import IMAGE, TEXT

if TYPE_CHECKING:
    from limoe_core.inference import LoadedModel

#: What of a mixture belongs to its gates.
_GATES = ("router", "balance")
#: Whose routers are used, as figures list them.
OWN, DONOR, RANDOM = "own", "donor", "random"


def gate_swap(
    model: LoadedModel,
    donor: LoadedModel,
    images: Sequence[Any],
    texts: Sequence[str],
    *,
    draws: int = 5,
    samples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Loss and accuracy of a model with the routers of another step or run, layer by layer.

    Everything but the routers stays the model's own. No token is dropped. Beside the donor's
    routers stand random ones: Gaussian weights as large as the model's own.

    Args:
      donor: a model of the same shape: the same run at another step, or a run of the same settings.
      images, texts: at least two pairs; no text twice.
      draws: random routers.
      samples: bootstrap resamples of pairs for the intervals.

    Returns: one row per swap, with columns layer ("none", "all" or the block's number as text),
      routers ("own", "donor" or "random", the mean over draws), loss (nats), rise (of the loss over
      the model's own), rise_low, rise_high (95 % over pairs, each with itself, its negatives held
      fixed), top1 (pictures whose own text is nearest among all), moved (tokens whose first choice
      changes in the swapped layers, each modality weighted equally), chance_loss (ln n),
      chance_top1 (1/n), pairs.

    Raises:
      AnalysisError: the models have other shapes, are dense twins, there are fewer than two pairs,
        a text comes twice, there are not as many pictures as texts, or `draws` or `samples` is
        below 1.
    """
    check_pairs(images, texts)
    check_count(draws, "draws")
    check_count(samples, "samples")
    blocks = model.config.model.moe_layers
    if not blocks:
        raise AnalysisError("a dense twin has no routers to swap")
    if model.config.model != donor.config.model:
        raise AnalysisError("routers can be swapped between models of the same settings alone")
    if len(texts) < 2 or len(set(texts)) < len(texts):
        raise AnalysisError("a swap of gates needs at least two pairs, and no text twice")
    halves = Halves.of(model, images, texts)
    own = _Found.of(halves)
    chance = {"chance_loss": float(np.log(len(texts))), "chance_top1": 1 / len(texts)}
    common = {**chance, "pairs": len(texts)}
    rows = [{"layer": "none", "routers": OWN, **own.against([own], [], samples, seed), **common}]
    for name, layers in _layers(blocks):
        places = [blocks.index(block) for block in layers]
        for routers in (DONOR, RANDOM):
            found = [
                _Found.of(replace(halves, model=changed))
                for changed in _changed(model, donor, layers, routers, draws, seed)
            ]
            row = own.against(found, places, samples, seed)
            rows.append({"layer": name, "routers": routers, **row, **common})
    return pd.DataFrame(rows)


def _layers(blocks: Sequence[int]) -> Iterator[tuple[str, list[int]]]:
    yield "all", list(blocks)
    if len(blocks) > 1:
        for block in blocks:
            yield str(block + 1), [block]


def _changed(
    model: LoadedModel,
    donor: LoadedModel,
    layers: Sequence[int],
    routers: str,
    draws: int,
    seed: int,
) -> Iterator[LoadedModel]:
    """The model with other routers in some layers."""
    for draw in range(1 if routers == DONOR else draws):
        rng = np.random.default_rng((seed, draw))
        blocks = dict(model.params["blocks"])
        for layer in layers:
            mixture = blocks[layer]["mlp"]
            theirs = donor.params["blocks"][layer]["mlp"]
            gates = {name: theirs[name] for name in _GATES if name in theirs}
            if routers == RANDOM:
                weights = np.asarray(mixture["router"], np.float32)
                gates["router"] = rng.normal(scale=weights.std(), size=weights.shape).astype(
                    np.float32
                )
            blocks[layer] = {**blocks[layer], "mlp": {**mixture, **gates}}
        yield replace(model, params={**model.params, "blocks": blocks})


class _Found:
    """What a model makes of the pairs."""

    def __init__(
        self,
        losses: Float[np.ndarray, " N"],
        right: Float[np.ndarray, " N"],
        chosen: list[np.ndarray],
    ) -> None:
        self.losses, self.right, self.chosen = losses, right, chosen

    @classmethod
    def of(cls, halves: Halves) -> _Found:
        embedded = [halves.embed(code, None) for code in range(2)]
        losses = pair_losses(embedded[IMAGE], embedded[TEXT], halves.temperature)
        right = answers(embedded[IMAGE], embedded[TEXT]).astype(np.float64)
        return cls(losses, right, [halves.choices(code) for code in range(2)])

    def against(
        self, others: Sequence[_Found], layers: Sequence[int], samples: int, seed: int
    ) -> dict[str, float]:
        """Their mean loss and accuracy, and what they are more than this one's."""
        rng = np.random.default_rng(seed)
        pairs = len(self.losses)
        rise = np.mean([other.losses for other in others], axis=0) - self.losses
        draws = rng.multinomial(pairs, np.full(pairs, 1 / pairs), size=samples) / pairs
        low, high = np.quantile(draws @ rise, [0.025, 0.975])
        moved = [
            np.mean(mine[layer] != theirs[layer])
            for other in others
            for mine, theirs in zip(self.chosen, other.chosen, strict=True)
            for layer in layers
        ]
        return {
            "loss": float(np.mean([other.losses for other in others])),
            "rise": float(rise.mean()),
            "rise_low": float(low),
            "rise_high": float(high),
            "top1": float(np.mean([other.right for other in others])),
            "moved": float(np.mean(moved)) if moved else 0.0,
        }
