"""Router saturation: agreement with the routing at the end (OLMoE, arXiv 2409.02060)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from analysis.arguments import check_traces
from analysis.errors import AnalysisError
from limoe_core.trace import MODALITIES, RoutingTrace


def router_saturation(traces: Mapping[int, RoutingTrace]) -> pd.DataFrame:
    """Share of the experts chosen at the last step that tokens chose already, by step.

    `traces` maps steps to traces of the same tokens. With K choices, a token counts |chosen now ∩
    chosen at the end| / K. Columns: step, layer, modality, saturation, chance, tokens; the last
    step is 1 by definition. Chance: of two routers that ignore their input and use the experts as
    often as these two do.

    Raises:
      AnalysisError: there are no traces, or they are of different tokens.
    """
    check_traces(traces)
    steps = sorted(traces)
    last = traces[steps[-1]]
    rows = []
    for step in steps:
        trace = traces[step]
        require_same_tokens(trace, last, f"step {step}", f"step {steps[-1]}")
        agreement = choice_overlap(trace, last)
        for layer, block in enumerate(trace.layers):
            for code, modality in enumerate(MODALITIES):
                mask = trace.modality == code
                shares = [_shares(one, layer, mask) for one in (trace, last)]
                rows.append(
                    {
                        "step": step,
                        "layer": int(block),
                        "modality": modality,
                        "saturation": _mean(agreement[layer, mask]),
                        "chance": float(shares[0] @ shares[1]) / trace.top_k,
                        "tokens": int(mask.sum()),
                    }
                )
    return pd.DataFrame(rows)


def _shares(trace: RoutingTrace, layer: int, mask: np.ndarray) -> np.ndarray:
    """Share of some tokens that choose each expert, (E,)."""
    chosen = trace.expert[layer, mask].astype(np.int64)
    if not np.any(chosen >= 0):
        return np.full(trace.num_experts, np.nan)
    counts = np.bincount(chosen[chosen >= 0], minlength=trace.num_experts)
    return counts / np.count_nonzero(chosen[:, 0] >= 0)


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def choice_overlap(one: RoutingTrace, other: RoutingTrace) -> np.ndarray:
    """Share of each token's K chosen experts that both traces have in common, (L, T).

    NaN where neither chose any.
    """
    common = np.zeros(one.expert.shape[:2])
    for choice in range(one.top_k):
        mine = one.expert[..., choice, None]
        common += ((mine == other.expert) & (mine >= 0)).any(axis=-1)
    made = np.maximum(one.chose.sum(axis=-1), other.chose.sum(axis=-1))
    return np.divide(common, made, out=np.full(common.shape, np.nan), where=made > 0)


def require_same_tokens(
    one: RoutingTrace, other: RoutingTrace, name: str = "one trace", other_name: str = "the other"
) -> None:
    """Raise AnalysisError unless both traces are of the same tokens, layers and choices."""
    same = one.expert.shape == other.expert.shape and all(
        np.array_equal(getattr(one, part), getattr(other, part))
        for part in ("layers", "modality", "pair", "position", "piece")
    )
    if not same:
        raise AnalysisError(
            f"{name} and {other_name} do not trace the same tokens, so their routing cannot be "
            "compared token by token; use probe traces of one run"
        )
