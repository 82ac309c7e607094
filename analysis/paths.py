"""Paths of tokens through the experts of successive MoE layers."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd

from analysis.arguments import check_trace
from analysis.colours import expert_label
from analysis.labels import modality_code
from limoe_core.trace import MODALITIES, RoutingTrace


def expert_paths(trace: RoutingTrace, modality: str) -> pd.DataFrame:
    """Paths of one modality's tokens through their first-choice experts, most used first.

    Of tokens that every router chose an expert for.

    Columns: path ("E1 → E3 → E0"), one column layer_<block> for each MoE layer with the expert,
    tokens, share (of the modality's tokens), pairs (in how many pairs it occurs), and independent
    (the share it would have if the layers chose independently of each other).

    Raises:
      AnalysisError: it is not a trace, or the modality is neither "image" nor "text".
    """
    check_trace(trace)
    # A token that some router chose nothing for has no whole path.
    mask = (trace.modality == modality_code(modality)) & trace.chose[..., 0].all(axis=0)
    chosen = trace.expert[:, mask, 0].astype(np.int64).T
    counts = Counter(map(tuple, chosen.tolist()))
    pairs: dict[tuple[int, ...], set[int]] = {}
    for path, pair in zip(map(tuple, chosen.tolist()), trace.pair[mask].tolist(), strict=True):
        pairs.setdefault(path, set()).add(pair)
    marginal = [
        np.bincount(chosen[:, layer], minlength=trace.num_experts) / max(len(chosen), 1)
        for layer in range(trace.num_layers)
    ]
    rows = []
    for path, tokens in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        row: dict[str, object] = {"path": " → ".join(map(expert_label, path))}
        row |= {f"layer_{b}": e for b, e in zip(trace.layers.tolist(), path, strict=True)}
        row |= {
            "tokens": tokens,
            "share": tokens / len(chosen),
            "pairs": len(pairs[path]),
            "independent": float(np.prod([m[e] for m, e in zip(marginal, path, strict=True)])),
        }
        rows.append(row)
    columns = ["path", *(f"layer_{b}" for b in trace.layers.tolist())]
    return pd.DataFrame(rows, columns=[*columns, "tokens", "share", "pairs", "independent"])


def transitions(trace: RoutingTrace) -> pd.DataFrame:
    """Token counts from each expert of a layer to each expert of the next, by modality.

    Columns: modality, layer, expert, next_layer, next_expert, tokens, share (of the modality's
    tokens), independent (the share if the two layers chose independently); only rows with tokens.

    Raises:
      AnalysisError: it is not a trace.
    """
    check_trace(trace)
    rows = []
    for code, modality in enumerate(MODALITIES):
        mask = trace.modality == code
        for layer in range(trace.num_layers - 1):
            table = np.zeros((trace.num_experts, trace.num_experts), np.int64)
            both = mask & trace.chose[layer : layer + 2, :, 0].all(axis=0)
            here, there = trace.expert[layer, both, 0], trace.expert[layer + 1, both, 0]
            np.add.at(table, (here.astype(int), there.astype(int)), 1)
            before, after = table.sum(axis=1), table.sum(axis=0)
            for expert, following in np.argwhere(table):
                rows.append(
                    {
                        "modality": modality,
                        "layer": int(trace.layers[layer]),
                        "expert": int(expert),
                        "next_layer": int(trace.layers[layer + 1]),
                        "next_expert": int(following),
                        "tokens": int(table[expert, following]),
                        "share": table[expert, following] / both.sum(),
                        "independent": before[expert] * after[following] / both.sum() ** 2,
                    }
                )
    columns = ["modality", "layer", "expert", "next_layer", "next_expert", "tokens", "share"]
    columns.append("independent")
    return pd.DataFrame(rows, columns=columns)
