"""Agreement of routing with labels of tokens: category, language, script, position."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.arguments import check_count, check_trace
from analysis.labels import token_labels
from analysis.nulls import (
    AdjustedInformation,
    exchanged_units,
    table,
    tables_with_other_labels,
)
from limoe_core.trace import IMAGE, MODALITIES, TEXT, RoutingTrace

#: Labels that each modality's tokens are compared with, as far as the trace has them.
LABELS = {
    IMAGE: ("category", "style", "concept", "position"),
    TEXT: ("category", "language", "script", "concept", "position", "piece"),
}
_COLUMNS = [
    "layer",
    "modality",
    "label",
    "ami",
    "null",
    "null_high",
    "p",
    "values",
    "pairs",
    "tokens",
]


def agreement_with_labels(
    trace: RoutingTrace, *, samples: int = 200, seed: int = 0
) -> pd.DataFrame:
    """Adjusted mutual information of first choice and label, per layer, modality and label.

    The adjustment takes tokens as independent, and those of one pair are not: a router that sorts
    pairs by anything at all agrees a little with every label of pairs. So beside each value stands
    its null, the same measure with the labels of other pairs, or of other concepts where all pairs
    of a concept share the label, as a category (`analysis.nulls`).

    Args:
      samples: how often labels are exchanged; 0 leaves the null out.

    Returns: one row per layer, modality and label, with columns layer, modality, label, ami (1 if
      one determines the other; many distinct labels do not raise it by themselves), null (its mean
      with the labels of other pairs), null_high (what 95 % of these stay below), p (the share that
      reaches the value, the value itself counted in), values (distinct labels), pairs, tokens. NaN
      where there is no null. Tokens without the label are left out.

    Raises:
      AnalysisError: it is not a trace, or `samples` is below 0.
    """
    check_trace(trace)
    check_count(samples, "samples", 0)
    rows = []
    for code, labels in LABELS.items():
        for by in labels:
            if by in ("category", "language", "style", "concept") and by not in trace.meta:
                continue
            label = token_labels(trace, by)
            mask = (trace.modality == code) & (label != "")
            pair = trace.pair[mask]
            names, value = np.unique(label[mask], return_inverse=True)
            unit = exchanged_units(trace, mask, value)
            # What a router chose for no expert is in a column of its own, which is left out.
            experts = trace.num_experts
            chosen = np.where(trace.chose[:, mask, 0], trace.expert[:, mask, 0], experts)
            chosen = chosen.astype(np.int64)
            tables = [
                table(value, of_layer, len(names), experts + 1)[:, :-1] for of_layer in chosen
            ]
            measures = [AdjustedInformation(found.sum(axis=0)) for found in tables]
            others = np.array(
                [
                    [one(found[:, :-1]) for one, found in zip(measures, of_layers, strict=True)]
                    for of_layers in tables_with_other_labels(
                        value, unit, chosen, experts + 1, samples, seed
                    )
                ]
            )
            for layer, block in enumerate(trace.layers):
                there = trace.chose[layer, mask, 0]
                found = measures[layer](tables[layer])
                rows.append(
                    {
                        "layer": int(block),
                        "modality": MODALITIES[code],
                        "label": by,
                        "ami": found,
                        **_null(found, others[:, layer] if there.any() and samples else None),
                        "values": len(names),
                        "pairs": len(np.unique(pair[there])),
                        "tokens": int(there.sum()),
                    }
                )
    return pd.DataFrame(rows, columns=_COLUMNS)


def _null(found: float, others: np.ndarray | None) -> dict[str, float]:
    if others is None:
        return dict.fromkeys(("null", "null_high", "p"), float("nan"))
    # Rounding must not make of two equal partitions one that is ahead.
    reached = np.count_nonzero(others >= found - 1e-9)
    return {
        "null": float(others.mean()),
        "null_high": float(np.quantile(others, 0.95)),
        "p": float((1 + reached) / (1 + len(others))),
    }


def ami(one: np.ndarray, other: np.ndarray) -> float:
    """Adjusted mutual information of two labellings; 0 for a constant, NaN if empty."""
    (_, of_one), (_, of_other) = (np.unique(x, return_inverse=True) for x in (one, other))
    kinds, fixed = (int(x.max(initial=-1)) + 1 for x in (of_other, of_one))
    found = table(of_other, of_one, kinds, fixed)
    return AdjustedInformation(found.sum(axis=0))(found)
