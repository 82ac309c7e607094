"""Preferences of experts: their surest patches and pieces, and labels above the base rate.

A preference is always compared with its base rate: an expert that takes half of all patches takes
half of the food patches too. `lift` is the ratio of the two, 1 for no preference.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from analysis.arguments import check_count, check_expert
from analysis.errors import AnalysisError
from analysis.frame import token_names
from analysis.labels import layer_index, modality_code, token_labels
from analysis.nulls import exchanged_units, tables_with_other_labels
from analysis.resampling import units
from limoe_core.trace import RoutingTrace

#: A label of fewer pairs has no interval: resamples of so few say nothing of other pairs.
FEW_PAIRS = 5


def expert_preferences(
    trace: RoutingTrace,
    layer: int,
    by: str,
    modality: str,
    *,
    min_tokens: int = 1,
    samples: int = 500,
    seed: int = 0,
) -> pd.DataFrame:
    """Shares of each label's tokens among the experts of a layer, for one modality.

    Args:
      by: a label of `analysis.token_labels`: category, language, style, script, position, …
      modality: "image" or "text".
      min_tokens: leave out labels with fewer tokens than this.
      samples: bootstrap resamples of whole pairs for the interval, or of whole concepts where
        several pairs show one, and as many exchanges of labels between pairs for the null; 0 for
        neither.

    Returns: one row per label and expert, with columns
      value: the label; expert;
      share: of the label's tokens, those whose first choice is the expert;
      low, high: ends of its 95 % interval (tokens of one pair are not independent); NaN for a label
        of fewer than five pairs, or concepts where these are resampled;
      null_low, null_high: what 95 % of the shares lie between with the labels of other pairs, or
        of other concepts where all pairs of a concept share the label;
      base: the same share over all tokens of the modality that have a label;
      lift: share / base (NaN where the expert gets nothing of the modality);
      tokens: of this label to this expert; total: of this label; pairs: with this label.

    Raises:
      AnalysisError: for an unknown label, layer or modality, if no token has such a label, or for
        `samples` or `min_tokens` below 0.
    """
    check_count(samples, "samples", 0)
    check_count(min_tokens, "min_tokens", 0)
    index = layer_index(trace, layer)
    labels = token_labels(trace, by)
    mask = (trace.modality == modality_code(modality)) & (labels != "")
    mask &= trace.chose[index, :, 0]
    if not mask.any():
        raise AnalysisError(f"no {modality} token of this trace has a {by}")
    values, value = np.unique(labels[mask], return_inverse=True)
    pair = trace.pair[mask]
    chosen = trace.expert[index, mask, 0].astype(np.int64)
    # (N, V, E) counts, so that a resample of pairs is a weighted sum.
    counts = np.zeros((trace.num_pairs, len(values), trace.num_experts))
    np.add.at(counts, (pair, value, chosen), 1)
    unit = exchanged_units(trace, mask, value)
    others = tables_with_other_labels(value, unit, chosen[None], trace.num_experts, samples, seed)
    exchanged = np.array([found[0] for found in others], np.float64)
    exchanged = exchanged.reshape(samples, *counts.shape[1:])
    total = counts.sum(axis=0)
    keep = total.sum(axis=1) >= min_tokens
    counts, total, values, exchanged = (
        counts[:, keep],
        total[keep],
        values[keep],
        exchanged[:, keep],
    )
    of_pairs = (counts.sum(axis=2) > 0).sum(axis=0)
    every = np.bincount(chosen, minlength=trace.num_experts) / len(chosen)
    share = total / total.sum(axis=1, keepdims=True)
    drawn = units(trace)
    few = (drawn.total(counts).sum(axis=2) > 0).sum(axis=0) < FEW_PAIRS
    low, high = _middle(drawn.resampled(counts, samples, seed))
    low[few] = high[few] = np.nan
    null_low, null_high = _middle(exchanged)
    lift = np.divide(share, every, out=np.full_like(share, np.nan), where=every > 0)
    labelled, experts = share.shape
    return pd.DataFrame(
        {
            "value": np.repeat(values, experts),
            "expert": np.tile(np.arange(experts), labelled),
            "share": share.reshape(-1),
            "low": low.reshape(-1),
            "high": high.reshape(-1),
            "null_low": null_low.reshape(-1),
            "null_high": null_high.reshape(-1),
            "base": np.tile(every, labelled),
            "lift": lift.reshape(-1),
            "tokens": total.astype(np.int64).reshape(-1),
            "total": np.repeat(total.sum(axis=1).astype(np.int64), experts),
            "pairs": np.repeat(of_pairs, experts),
        }
    )


def _middle(
    counts: Float[np.ndarray, "samples V E"],
) -> tuple[Float[np.ndarray, "V E"], Float[np.ndarray, "V E"]]:
    """What 95 % of the shares lie between; NaN where there is none."""
    total = counts.sum(axis=2, keepdims=True)
    share = np.divide(counts, total, out=np.full_like(counts, np.nan), where=total > 0)
    nothing = np.all(np.isnan(share), axis=0)  # of which nanquantile would warn
    low, high = np.full((2, *counts.shape[1:]), np.nan)
    if not nothing.all():
        low[~nothing], high[~nothing] = np.nanquantile(share[:, ~nothing], [0.025, 0.975], axis=0)
    return low, high


def top_patches(
    trace: RoutingTrace, layer: int, expert: int, *, count: int = 24, per_pair: int = 2
) -> pd.DataFrame:
    """The patches that the expert takes with the highest gates, best first.

    Args:
      per_pair: at most this many of one picture, so that one picture does not fill the list.

    Returns: one row per patch, with columns pair, position, token ("row,column"), gate, dropped,
      x0, y0, x1, y1 (its box in the model's input, in pixels), and those of `trace.meta`.

    Raises:
      AnalysisError: for an unknown layer or expert, or a `count` or `per_pair` below 1; if the
        trace has no gate values.
    """
    rows = _by_gate(trace, layer, expert, "image", count, per_pair)
    frame = _token_frame(trace, layer, rows)
    for column, name in enumerate(("x0", "y0", "x1", "y1")):
        frame[name] = trace.box[rows, column]
    return frame


def top_pieces(
    trace: RoutingTrace, layer: int, expert: int, *, count: int = 24, per_pair: int = 2
) -> pd.DataFrame:
    """The text tokens that the expert takes with the highest gates, best first.

    As `top_patches`, with columns pair, position, token (the piece), word, gate, dropped, caption,
    and those of `trace.meta`.

    Raises:
      AnalysisError: as `top_patches`.
    """
    rows = _by_gate(trace, layer, expert, "text", count, per_pair)
    frame = _token_frame(trace, layer, rows)
    frame.insert(3, "word", token_labels(trace, "word")[rows])
    frame.insert(6, "caption", trace.captions[trace.pair[rows]])
    return frame


def _by_gate(
    trace: RoutingTrace, layer: int, expert: int, modality: str, count: int, per_pair: int
) -> np.ndarray:
    """Token indices of the highest gates of an expert, at most `per_pair` of each pair."""
    index = layer_index(trace, layer)
    check_expert(trace, expert)
    check_count(count, "count")
    check_count(per_pair, "per_pair")
    if trace.gate is None:
        raise AnalysisError(
            "the trace has no weights of choices, so none of an expert's tokens has the highest"
        )
    mine = (trace.modality == modality_code(modality)) & (trace.expert[index, :, 0] == expert)
    tokens = np.flatnonzero(mine)
    gate = trace.gate[index, tokens, 0].astype(np.float64)
    seen: dict[int, int] = {}
    best: list[int] = []
    for token in tokens[np.argsort(-gate, kind="stable")]:
        pair = int(trace.pair[token])
        if seen.get(pair, 0) < per_pair:
            seen[pair] = seen.get(pair, 0) + 1
            best.append(int(token))
        if len(best) == count:
            break
    return np.array(best, dtype=np.int64)


def _gate(trace: RoutingTrace, layer: int, rows: Sequence[int] | np.ndarray) -> np.ndarray:
    assert trace.gate is not None
    return trace.gate[layer, rows, 0].astype(np.float64)


def _token_frame(trace: RoutingTrace, layer: int, rows: Sequence[int] | np.ndarray) -> pd.DataFrame:
    index = layer_index(trace, layer)
    columns = {
        "pair": trace.pair[rows].astype(np.int64),
        "position": trace.position[rows].astype(np.int64),
        "token": token_names(trace, np.asarray(rows)),
        "gate": _gate(trace, index, rows),
        "dropped": trace.dropped[index, rows, 0],
    }
    columns |= {
        key: values[trace.pair[rows]] for key, values in trace.meta.items() if key not in columns
    }
    return pd.DataFrame(columns)
