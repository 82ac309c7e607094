"""Every expert of a layer at a glance: its most certain patches and its words."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.preferences import expert_preferences, top_patches
from limoe_core.trace import TEXT, RoutingTrace


def patches_of_experts(
    trace: RoutingTrace, layer: int, count: int = 12, per_pair: int = 1
) -> pd.DataFrame:
    """`analysis.top_patches` of every expert of a layer, with a column expert.

    Raises:
      AnalysisError: if that block is no MoE layer of the trace.
    """
    frames = []
    for expert in range(trace.num_experts):
        frame = top_patches(trace, layer, expert, count=count, per_pair=per_pair)
        frame.insert(0, "expert", expert)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def words_of_experts(
    trace: RoutingTrace, layer: int, by: str = "word", count: int | None = 12
) -> pd.DataFrame:
    """Characteristic words of each expert of a layer: those above its base rate.

    A word that occurs once has the largest lift of all, so words are not ordered by lift but by how
    much they add to the divergence of the expert's words from all words, tokens · ln(lift), which
    takes both a preference and evidence of it (the signed part of a G-test).

    Args:
      by: "word", "piece", or another label of `analysis.token_labels` for text tokens.
      count: at most this many words per expert; None for all that have a lift over 1.

    Returns: one row per expert and word, best first, with columns expert, value, share, base, lift,
      tokens, total and pairs as in `analysis.expert_preferences`, and weight: tokens · ln(lift) in
      nats.

    Raises:
      AnalysisError: if that block is no MoE layer of the trace.
    """
    columns = ["expert", "value", "share", "base", "lift", "tokens", "total", "pairs"]
    if not np.any(trace.modality == TEXT):
        return pd.DataFrame({name: [] for name in [*columns, "weight"]})
    frame = expert_preferences(trace, layer, by, "text", samples=0)
    frame = frame[(frame["tokens"] > 0) & (frame["lift"] > 1)][columns].copy()
    frame["weight"] = frame["tokens"] * np.log(frame["lift"])
    frame = frame.sort_values(
        ["expert", "weight", "value"], ascending=[True, False, True], kind="stable"
    )
    if count is not None:
        frame = frame.groupby("expert", sort=False).head(count)
    return frame.reset_index(drop=True)
