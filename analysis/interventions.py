"""Changes to what routers do, and what a model's pairs lose or gain by them.

A change is (block, expert, modality, what), as `(4, 2, "image", "off")`. The modality is "image",
"text" or "both"; what happens to its tokens in that block is one of

- "off": they go to the best of the other experts, over which the gate values are renormalised;
- "silenced": those that choose the expert get nothing from it and keep their residual, as if they
  were dropped;
- "forced": all of them go to the expert, as if all others were off.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer

from analysis.arguments import check_count, check_pairs, check_trace
from analysis.errors import AnalysisError
from limoe_core.evaluation.causal import pair_losses
from limoe_core.trace import IMAGE, MODALITIES, TEXT, RoutingTrace

if TYPE_CHECKING:
    from limoe_core.inference import LoadedModel
    from limoe_core.model.router import Intervention

What = Literal["off", "silenced", "forced"]
#: Block number, expert, modality, and what happens.
Change = tuple[int, int, str, str]

WHATS: tuple[What, ...] = ("off", "silenced", "forced")
BOTH = "both"


def intervention(model: LoadedModel, changes: Sequence[Change]) -> Intervention:
    """Changes as `model.trace` takes them.

    Args:
      changes: as the module says; in any order, and none changes nothing.

    Raises:
      AnalysisError: the model is a dense twin or has no such block or expert; a modality or a
        change has no such name; or fewer than K experts are left to the tokens of a layer.
    """
    import jax.numpy as jnp

    from limoe_core.model.router import Intervention

    config = model.config.model
    blocks = [index + 1 for index in config.moe_layers]
    if not blocks:
        raise AnalysisError("a dense twin has no routers to change")
    off = np.zeros((len(blocks), 2, config.experts), bool)
    forced, silence = off.copy(), off.copy()
    marks = {"off": off, "silenced": silence, "forced": forced}
    for block, expert, modality, what in changes:
        if block not in blocks:
            raise AnalysisError(f"block {block} holds no mixture of experts; {blocks} do")
        if not 0 <= expert < config.experts:
            raise AnalysisError(f"there is no expert {expert}; they are 0 to {config.experts - 1}")
        if modality not in (*MODALITIES, BOTH):
            raise AnalysisError(f"modality must be image, text or both, not {modality!r}")
        if what not in marks:
            raise AnalysisError(f"a change must be one of {', '.join(WHATS)}, not {what!r}")
        rows = slice(None) if modality == BOTH else MODALITIES.index(modality)
        marks[what][blocks.index(block), rows, expert] = True
    closed = off | (forced.any(axis=-1, keepdims=True) & ~forced)
    left = (~closed).sum(axis=-1)
    if (left < config.top_k).any():
        layer, code = np.argwhere(left < config.top_k)[0]
        raise AnalysisError(
            f"the {MODALITIES[code]} tokens of block {blocks[layer]} are left {left[layer, code]} "
            f"of {config.experts} experts, and choose {config.top_k} each"
        )
    return Intervention(jnp.where(closed, -jnp.inf, 0.0), jnp.asarray(silence))


def rerouted(before: RoutingTrace, after: RoutingTrace) -> pd.DataFrame:
    """How many tokens each layer routes otherwise than before, by modality.

    Args:
      before, after: traces of the same pairs.

    Returns: one row per layer and modality, with columns layer, modality, tokens, rerouted (tokens
      whose set of chosen experts is another), share, dropped_before and dropped_after (choices that
      found no slot).

    Raises:
      AnalysisError: the traces are of different pairs or layers.
    """
    check_trace(before)
    check_trace(after)
    for name in ("layers", "modality", "pair", "position", "piece"):
        if not np.array_equal(getattr(before, name), getattr(after, name)):
            raise AnalysisError("rerouted compares traces of the same pairs and layers")
    if before.top_k != after.top_k:
        raise AnalysisError("rerouted compares traces with as many choices a token")
    moved = (np.sort(before.expert, axis=-1) != np.sort(after.expert, axis=-1)).any(axis=-1)
    rows = []
    for layer, block in enumerate(before.layers):
        for code, modality in enumerate(MODALITIES):
            here = before.modality == code
            count, tokens = int(moved[layer, here].sum()), int(here.sum())
            rows.append(
                {
                    "layer": int(block),
                    "modality": modality,
                    "tokens": tokens,
                    "rerouted": count,
                    "share": count / tokens if tokens else np.nan,
                    "dropped_before": int(before.dropped[layer, here].sum()),
                    "dropped_after": int(after.dropped[layer, here].sum()),
                }
            )
    return pd.DataFrame(rows)


def intervention_effects(
    model: LoadedModel,
    images: Sequence[Any],
    texts: Sequence[str],
    changes: Sequence[Change] = (),
    *,
    capacity_factor: float = 0.0,
    batch_priority: bool | None = None,
    others: int = 20,
    samples: int = 1000,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """What changes do to the contrastive loss and to retrieval among some pairs.

    All pairs are routed as one group, before with unlimited capacity and the model's own priority.

    Args:
      images, texts: pairs; no text twice, since its pictures would be false negatives.
      changes: as the module says.
      capacity_factor, batch_priority: of the routing after; see `LoadedModel.trace`.
      others: with changes, at most this many other ones of the same kind are tried, with other
        experts drawn at random in each layer, to see what any such change does.
      samples: bootstrap resamples of pairs.
      progress: called with (done, total) forward passes.

    Returns: one row each for the loss (nats), the accuracy of pictures among texts, of texts among
      pictures, and the mean similarity (cosine) of a picture and its text, with columns measure,
      before, after, difference (after less before), low and high (95 % interval over pairs, the
      same pairs before and after, their negatives held fixed), chance (of guessing; NaN where there
      is none), others_low, others_high (the least and the most difference of the other changes),
      others_worse (how many of them do at least as much harm), others (how many were tried) and
      pairs.

    Raises:
      AnalysisError: as `intervention`; or for fewer than two pairs, a repeated text, not as many
        pictures as texts.
    """
    check_pairs(images, texts)
    check_count(samples, "samples")
    check_count(others, "others", 0)
    if len(texts) < 2 or len(set(texts)) < len(texts):
        raise AnalysisError("the effect of a change needs at least two pairs, and no text twice")
    switch = intervention(model, changes)
    alternatives = _other_changes(model, changes, others, seed)
    total = 2 + len(alternatives)
    temperature = float(model.functional.bind(model.params).temperature)
    done = 0

    def scores(changed: Intervention, factor: float, first: bool | None) -> np.ndarray:
        nonlocal done
        trace = model.trace(
            images,
            texts,
            capacity_factor=factor,
            batch_priority=first,
            intervention=changed,
        )
        done += 1
        if progress is not None:
            progress(done, total)
        return _scores(trace.image_embeddings, trace.text_embeddings, temperature)

    before = scores(intervention(model, []), 0.0, None)
    after = scores(switch, capacity_factor, batch_priority)
    tried = [
        scores(intervention(model, each), capacity_factor, batch_priority) for each in alternatives
    ]
    return _effects(before, after, tried, samples, seed)


#: Measures of `intervention_effects`, and whether more of it is better.
_MEASURES = {
    "contrastive loss": -1,
    "pictures that find their text": 1,
    "texts that find their picture": 1,
    "similarity of picture and text": 1,
}


def _scores(
    images: Float[np.ndarray, "N d"], texts: Float[np.ndarray, "N d"], temperature: float
) -> Float[np.ndarray, "4 N"]:
    """Each pair's part in every measure; their means are the measures."""
    similarity = images.astype(np.float64) @ texts.astype(np.float64).T
    own = np.arange(len(similarity))
    return np.stack(
        [
            pair_losses(images, texts, temperature),
            similarity.argmax(axis=1) == own,
            similarity.argmax(axis=0) == own,
            np.diagonal(similarity),
        ]
    )


def _effects(
    before: np.ndarray, after: np.ndarray, tried: list[np.ndarray], samples: int, seed: int
) -> pd.DataFrame:
    pairs = before.shape[1]
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(pairs, np.full(pairs, 1 / pairs), size=samples) / pairs
    change = after - before
    low, high = np.quantile(draws @ change.T, [0.025, 0.975], axis=0)
    others = np.array([(each - before).mean(axis=1) for each in tried]).reshape(-1, len(before))
    chance = [np.log(pairs), 1 / pairs, 1 / pairs, np.nan]
    rows = []
    for place, (measure, better) in enumerate(_MEASURES.items()):
        difference, theirs = change[place].mean(), others[:, place]
        rows.append(
            {
                "measure": measure,
                "before": before[place].mean(),
                "after": after[place].mean(),
                "difference": difference,
                "low": low[place],
                "high": high[place],
                "chance": chance[place],
                "others_low": theirs.min() if len(theirs) else np.nan,
                "others_high": theirs.max() if len(theirs) else np.nan,
                "others_worse": int((better * theirs <= better * difference).sum()),
                "others": len(theirs),
                "pairs": pairs,
            }
        )
    return pd.DataFrame(rows)


def _other_changes(
    model: LoadedModel, changes: Sequence[Change], most: int, seed: int
) -> list[list[Change]]:
    """The changes with other experts: each layer's renamed at random; no set of changes twice."""
    experts = model.config.model.experts
    rng = np.random.default_rng(seed)
    seen = {frozenset(changes)}
    found: list[list[Change]] = []
    for _ in range(50 * most):
        if len(found) == most:
            break
        names: dict[int, Integer[np.ndarray, " E"]] = {
            block: rng.permutation(experts) for block in sorted({each[0] for each in changes})
        }
        renamed: list[Change] = [
            (block, int(names[block][expert]), modality, what)
            for block, expert, modality, what in changes
        ]
        if frozenset(renamed) not in seen:
            seen.add(frozenset(renamed))
            found.append(renamed)
    return found


def ranked(
    embedding: Float[np.ndarray, " d"], candidates: Float[np.ndarray, "N d"], names: Sequence[str]
) -> pd.DataFrame:
    """Candidates by their similarity to an embedding, best first.

    Returns: columns rank (from 1 on; ties share the better one), name, similarity (cosine).
    """
    similarity = candidates.astype(np.float64) @ embedding.astype(np.float64)
    order = np.argsort(-similarity, kind="stable")
    ranks = 1 + (similarity[None, order] > similarity[order, None]).sum(axis=1)
    return pd.DataFrame(
        {
            "rank": ranks,
            "name": [str(names[place]) for place in order],
            "similarity": similarity[order],
        }
    )


__all__ = [
    "BOTH",
    "IMAGE",
    "TEXT",
    "WHATS",
    "Change",
    "intervention",
    "intervention_effects",
    "ranked",
    "rerouted",
]
