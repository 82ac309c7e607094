"""Agreement of routing with labels of tokens: category, language, script, position."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_mutual_info_score

from analysis.arguments import check_trace
from analysis.labels import token_labels
from limoe_core.trace import IMAGE, MODALITIES, TEXT, RoutingTrace

#: Labels that each modality's tokens are compared with, as far as the trace has them.
LABELS = {
    IMAGE: ("category", "style", "concept", "position"),
    TEXT: ("category", "language", "script", "concept", "place", "piece"),
}


def agreement_with_labels(trace: RoutingTrace) -> pd.DataFrame:
    """Adjusted mutual information of expert and label, per layer, modality and label.

    Columns: layer, modality, label, ami, values (distinct labels), tokens. Adjusted for chance:
    about 0 if the expert is independent of the label, 1 if one determines the other; many distinct
    labels do not raise it by themselves. Tokens without the label are left out.

    Raises:
      AnalysisError: it is not a trace.
    """
    check_trace(trace)
    rows = []
    for code, labels in LABELS.items():
        for by in labels:
            if by in ("category", "language", "style", "concept") and by not in trace.meta:
                continue
            label = token_labels(trace, by)
            mask = (trace.modality == code) & (label != "")
            for layer, block in enumerate(trace.layers):
                rows.append(
                    {
                        "layer": int(block),
                        "modality": MODALITIES[code],
                        "label": by,
                        "ami": ami(label[mask], trace.expert[layer, mask, 0]),
                        "values": len(np.unique(label[mask])),
                        "tokens": int(mask.sum()),
                    }
                )
    columns = ["layer", "modality", "label", "ami", "values", "tokens"]
    return pd.DataFrame(rows, columns=columns)


def ami(one: np.ndarray, other: np.ndarray) -> float:
    """Adjusted mutual information of two labellings; 0 for a constant, NaN if empty."""
    if len(one) == 0:
        return float("nan")
    if len(np.unique(one)) == 1 or len(np.unique(other)) == 1:
        return 0.0
    with warnings.catch_warnings():
        # scikit-learn warns of many distinct labels; pieces and concepts are many.
        warnings.filterwarnings("ignore", message="The number of unique classes")
        return float(adjusted_mutual_info_score(one, other))
