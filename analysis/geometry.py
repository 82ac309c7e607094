"""The sceptic's check: specialisation that the routers' inputs explain by themselves.

A router is a linear map, so tokens with similar inputs share experts by construction. If images
and texts already lie apart in its input space, even a router that learned nothing separates them.
So the trained router is compared with two others on the same inputs: k-means clusters (the
geometry's own groups, no router at all) and linear routers with random weights.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.agreement import ami
from analysis.arguments import check_count, check_trace
from analysis.errors import AnalysisError
from analysis.labels import token_labels
from analysis.specialisation import modality_nmi
from limoe_core.evaluation.unlearned import UNLEARNED, assignments
from limoe_core.trace import IMAGE, MODALITIES, OTHER, TEXT, RoutingTrace

#: Ways to assign tokens to experts, in the order in which figures list them.
ROUTERS = ("trained", *UNLEARNED)
_LABELS = {IMAGE: ("category", "position"), TEXT: ("language", "script")}


def sceptics_check(trace: RoutingTrace, *, draws: int = 20, seed: int = 0) -> pd.DataFrame:
    """Modality NMI and label agreement of the trained router and of untrained ones.

    Args:
      trace: a trace with hidden states, from `model.trace(…, hidden=True)`.
      draws: random routers per layer, and k-means starts.

    Routers: the model's own first choices ("trained"), and those of
      `limoe_core.evaluation.unlearned.assignments`.

    Returns: one row per layer, router and measure, with columns layer, router, measure ("modality
      NMI", or "AMI with <label> (<modality>)"), value (mean over draws), low, high (2.5 % and
      97.5 % of the draws; equal to the value for the trained router), draws.

    Raises:
      AnalysisError: the trace holds no hidden states, or lacks a modality, or `draws` is below 1.
    """
    check_trace(trace)
    check_count(draws, "draws")
    if trace.hidden is None:
        raise AnalysisError("the sceptic's check needs the routers' inputs: trace with hidden=True")
    # Of tokens that both modalities' numbers count, and that every router chose an expert for.
    trace = trace.take((trace.modality < OTHER) & trace.chose[..., 0].all(axis=0))
    if len(np.unique(trace.modality)) < 2:
        raise AnalysisError("the sceptic's check needs both image and text tokens")
    labels = {
        f"AMI with {by} ({MODALITIES[code]})": (code, token_labels(trace, by))
        for code, names in _LABELS.items()
        for by in names
        if by in ("position", "script") or by in trace.meta
    }
    assert trace.hidden is not None
    rows = []
    for layer, block in enumerate(trace.layers):
        inputs = trace.hidden[layer].astype(np.float64)
        experts = int(trace.experts[layer])
        made = assignments(inputs, trace.modality, experts, draws, (seed, layer))
        trained = {"trained": [trace.expert[layer, :, 0].astype(np.int64)]}
        for router, chosen_by in {**trained, **made}.items():
            found = [_measures(trace, chosen, labels) for chosen in chosen_by]
            for measure in found[0]:
                values = [one[measure] for one in found]
                low, high = np.quantile(values, [0.025, 0.975])
                rows.append(
                    {
                        "layer": int(block),
                        "router": router,
                        "measure": measure,
                        "value": float(np.mean(values)),
                        "low": float(low),
                        "high": float(high),
                        "draws": len(values),
                    }
                )
    return pd.DataFrame(rows)


def _measures(
    trace: RoutingTrace, chosen: np.ndarray, labels: dict[str, tuple[int, np.ndarray]]
) -> dict[str, float]:
    counts = np.zeros((2, trace.num_experts))
    np.add.at(counts, (trace.modality, chosen), 1)
    found = {"modality NMI": float(modality_nmi(counts))}
    for name, (code, label) in labels.items():
        mask = (trace.modality == code) & (label != "")
        found[name] = ami(label[mask], chosen[mask])
    return found
