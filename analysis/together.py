"""Experts that the same token chooses together, in models with several choices a token."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.errors import AnalysisError
from analysis.labels import layer_index, modality_code
from limoe_core.trace import RoutingTrace

_COLUMNS = ["layer", "expert", "other", "tokens", "pairs", "share", "expected", "lift"]


def co_activation(trace: RoutingTrace, layer: int, modality: str) -> pd.DataFrame:
    """How often one modality's tokens choose two experts of a layer together, most lifted first.

    Two experts that are both chosen often meet often by chance. What chance gives is taken as the
    product of the shares of tokens that choose each, scaled so that as many choices meet in all as
    do: a token chooses no expert twice.

    Returns: one row per two experts that meet at least once, with columns layer, expert, other
      (the higher number), tokens, pairs (in how many pairs of the trace), share (of the modality's
      tokens), expected (the share by chance), lift (share / expected).

    Raises:
      AnalysisError: the layer or modality is unknown, or tokens have one choice each.
    """
    index = layer_index(trace, layer)
    mask = (trace.modality == modality_code(modality)) & trace.chose[index, :, 0]
    if trace.top_k < 2:
        raise AnalysisError("tokens of this trace choose one expert each, so none are together")
    experts = trace.num_experts
    chosen, pair = trace.expert[index, mask].astype(np.int64), trace.pair[mask].astype(np.int64)
    first, second = np.triu_indices(trace.top_k, 1)
    two = np.sort(np.stack([chosen[:, first], chosen[:, second]], axis=-1), axis=-1)
    code = np.where(two[..., 0] >= 0, two[..., 0] * experts + two[..., 1], -1)
    owner = np.broadcast_to(pair[:, None], code.shape)[code >= 0]
    code = code[code >= 0]
    met, tokens = np.unique(code, return_counts=True)
    of_pairs = np.unique(code * trace.num_pairs + owner) // max(trace.num_pairs, 1)
    pairs = np.unique(of_pairs, return_counts=True)[1]
    alone = np.bincount(chosen[chosen >= 0], minlength=experts) / max(len(chosen), 1)
    by_chance = (alone.sum() ** 2 - (alone**2).sum()) / 2
    scale = len(code) / max(len(chosen), 1) / by_chance if by_chance else 0.0
    one, other = met // experts, met % experts
    share, expected = tokens / max(len(chosen), 1), scale * alone[one] * alone[other]
    frame = pd.DataFrame(
        {
            "layer": np.full(len(met), layer),
            "expert": one,
            "other": other,
            "tokens": tokens,
            "pairs": pairs,
            "share": share,
            "expected": expected,
            "lift": share / expected,
        },
        columns=_COLUMNS,
    )
    order = ["lift", "expert", "other"]
    return frame.sort_values(order, ascending=[False, True, True], ignore_index=True)
