"""Words of experts: those that go to an expert more than its base rate, and whether by chance.

Of hundreds of words some stand out by chance alone, the more so as the best are picked. So each
is compared with the best of all words when every pair has the words of another one. Pairs of one
concept share words, and are routed alike, so where several show one, concepts exchange theirs.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer

from analysis.arguments import check_count, check_expert
from analysis.errors import AnalysisError
from analysis.labels import layer_index, token_labels
from analysis.nulls import labels_of_other_pairs, table
from analysis.preferences import expert_preferences
from analysis.resampling import units
from limoe_core.trace import TEXT, RoutingTrace

_COLUMNS = ["value", "share", "low", "high", "base", "lift", "tokens", "total", "pairs"]
_ADDED = ["weight", "chance", "p"]


def words_of_experts(
    trace: RoutingTrace,
    layer: int,
    by: str = "word",
    count: int | None = 12,
    *,
    min_tokens: int = 1,
    samples: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Characteristic words of each expert of a layer: those above its base rate.

    A word that occurs once has the largest lift of all, so words are not ordered by lift but by how
    much they add to the divergence of the expert's words from all words, tokens · ln(lift), which
    takes both a preference and evidence of it (the signed part of a G-test).

    Args:
      by: "word", "piece", or another label of `analysis.token_labels` for text tokens.
      count: at most this many words per expert; None for all that have a lift over 1.
      min_tokens: leave out words with fewer tokens than this in all.
      samples: resamples of pairs for intervals, and exchanges of words between pairs for the null,
        or of and between concepts where several pairs show one; 0 for neither.

    Returns: one row per expert and word, best first, with columns expert, value, share, low, high,
      base, lift, tokens, total and pairs as in `analysis.expert_preferences`, and
      weight: tokens · ln(lift) in nats;
      chance: what 95 % of the largest weights of any word of this expert stay below when every pair
        (or concept) has the words of another one, as its tokens are many and the best are picked;
      p: in which share of these exchanges some word has as large a weight, the words themselves
        counted in; so it is corrected for all words of the expert, and not for several experts.
      NaN in chance and p where `samples` is 0.

    Raises:
      AnalysisError: if that block is no MoE layer of the trace, for an unknown label, or a number
        below 1.
    """
    check_count(samples, "samples", 0)
    if count is not None:
        check_count(count, "count")
    index = layer_index(trace, layer)
    if not np.any(trace.modality == TEXT):
        return pd.DataFrame({name: [] for name in ["expert", *_COLUMNS, *_ADDED]})
    frame = expert_preferences(
        trace, layer, by, "text", min_tokens=min_tokens, samples=samples, seed=seed
    )
    frame = frame[(frame["tokens"] > 0) & (frame["lift"] > 1)][["expert", *_COLUMNS]].copy()
    frame["weight"] = frame["tokens"] * np.log(frame["lift"])
    best = _best_by_chance(trace, index, by, min_tokens, samples, seed)
    mine = best[:, frame["expert"].to_numpy(np.int64)]
    nothing = np.full(len(frame), np.nan)
    reached = (mine >= frame["weight"].to_numpy() - 1e-9).sum(axis=0)
    frame["chance"] = np.quantile(mine, 0.95, axis=0) if samples else nothing
    frame["p"] = (1 + reached) / (1 + samples) if samples else nothing
    frame = frame.sort_values(
        ["expert", "weight", "value"], ascending=[True, False, True], kind="stable"
    )
    if count is not None:
        frame = frame.groupby("expert", sort=False).head(count)
    return frame.reset_index(drop=True)


def top_words(
    trace: RoutingTrace,
    layer: int,
    expert: int,
    *,
    by: str = "word",
    count: int = 24,
    min_tokens: int = 2,
    samples: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Characteristic words (or pieces, or places) of one expert, best first.

    As `analysis.words_of_experts`, without the column expert. Only words with a lift over 1 and at
    least `min_tokens` tokens in all.

    Raises:
      AnalysisError: as `words_of_experts`, for an unknown expert, or where the trace has no text.
    """
    check_count(count, "count")
    layer_index(trace, layer)
    check_expert(trace, expert)
    if not np.any(trace.modality == TEXT):
        raise AnalysisError(f"no text token of this trace has a {by}")
    frame = words_of_experts(
        trace, layer, by, None, min_tokens=min_tokens, samples=samples, seed=seed
    )
    mine = frame[frame["expert"] == expert].drop(columns="expert")
    return mine.head(count).reset_index(drop=True)


def _best_by_chance(
    trace: RoutingTrace, layer: int, by: str, min_tokens: int, samples: int, seed: int
) -> Float[np.ndarray, "samples E"]:
    """The largest weight of any word of each expert, with the words of other pairs."""
    labels = token_labels(trace, by)
    mask = (trace.modality == TEXT) & (labels != "") & trace.chose[layer, :, 0]
    values, value = np.unique(labels[mask], return_inverse=True)
    chosen, experts = trace.expert[layer, mask, 0].astype(np.int64), trace.num_experts
    base = np.bincount(chosen, minlength=experts) / max(1, len(chosen))
    # Three pairs of one concept are no three witnesses for its words.
    unit = units(trace).of_pair[trace.pair[mask]]
    others = labels_of_other_pairs(value, unit, samples, seed)
    found = [
        _weights(table(other, chosen, len(values), experts), base, min_tokens).max(axis=0)
        for other in others
    ]
    return np.array(found, np.float64).reshape(samples, experts)


def _weights(
    counts: Integer[np.ndarray, "V E"], base: Float[np.ndarray, " E"], min_tokens: int
) -> Float[np.ndarray, "V E"]:
    """tokens · ln(lift) of each word and expert; 0 where the lift is not above 1."""
    total = counts.sum(axis=1, keepdims=True)
    expected = total * base
    lift = np.divide(counts, expected, out=np.ones(counts.shape), where=expected > 0)
    weight = counts * np.log(np.maximum(lift, 1.0))
    return np.where(total >= min_tokens, weight, 0.0)
