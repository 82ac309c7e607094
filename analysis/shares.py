"""Use of experts: shares by modality, purity, utilisation, drops and entropies."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer, Num
from scipy.special import entr

from analysis.arguments import check_count, check_trace, counts_by_modality
from analysis.frame import token_entropy
from limoe_core.trace import MODALITIES, RoutingTrace

#: An expert that gets at most this part of an even share, 1/E of the choices, is not in use.
UNUSED = 0.1

_HEALTH = [
    "layer",
    "modality",
    "tokens",
    "drop_rate",
    "token_entropy",
    "mean_entropy",
    "experts_used",
    "effective_experts",
    "largest_share",
]


def first_choice_counts(trace: RoutingTrace) -> Integer[np.ndarray, "L 2 E"]:
    """Number of each modality's tokens whose first choice is each expert.

    A token that is then dropped for lack of a slot still counts: this is what the router decided.

    Raises:
      AnalysisError: it is not a trace.
    """
    return pair_counts(trace, choices=1).sum(axis=1)


def choice_counts(trace: RoutingTrace) -> Integer[np.ndarray, "L 2 E"]:
    """How often each modality's tokens choose each expert, all K choices of a token counted.

    As `first_choice_counts` where tokens have one choice.

    Raises:
      AnalysisError: it is not a trace.
    """
    return pair_counts(trace).sum(axis=1)


def pair_counts(trace: RoutingTrace, choices: int | None = None) -> Integer[np.ndarray, "L N 2 E"]:
    """`choice_counts` pair by pair, for resampling pairs.

    Args:
      choices: how many of a token's choices count, the best first; None for all.

    Raises:
      AnalysisError: it is not a trace.
    """
    check_trace(trace)
    layers, experts = trace.num_layers, trace.num_experts
    counts = np.zeros((layers, trace.num_pairs, 2, experts), np.int64)
    of_token = (trace.pair[:, None], trace.modality[:, None])
    for layer in range(layers):
        np.add.at(counts[layer], (*of_token, trace.expert[layer, :, :choices]), 1)
    return counts


def balanced_shares(counts: Num[np.ndarray, "*b 2 E"]) -> Float[np.ndarray, "*b 2 E"]:
    """Share of each modality's tokens that goes to each expert; 0 for an absent modality.

    Raises:
      AnalysisError: the counts have another shape, or are no numbers from 0 on.
    """
    counts = counts_by_modality(counts)
    total = counts.sum(axis=-1, keepdims=True)
    return np.divide(counts, total, out=np.zeros(counts.shape, np.float64), where=total > 0)


def expert_shares(trace: RoutingTrace) -> pd.DataFrame:
    """Token shares of each expert by modality: one row per layer and expert.

    Columns: layer, expert; image_tokens, text_tokens (tokens that choose it, with any of their K
    choices); image_share, text_share (of all choices of that modality in that layer, so they sum to
    1 over the experts); image_purity and text_purity (the expert's own mixture with modalities
    weighted equally, share_m / (share_image + share_text), so that the many patches do not drown
    the few words; NaN for an expert that no token chose).
    """
    counts = choice_counts(trace)
    shares = balanced_shares(counts)
    both = shares.sum(axis=1, keepdims=True)
    purity = np.divide(shares, both, out=np.full(shares.shape, np.nan), where=both > 0)
    layers, experts = trace.num_layers, trace.num_experts
    columns: dict[str, np.ndarray] = {
        "layer": np.repeat(np.asarray(trace.layers, np.int64), experts),
        "expert": np.tile(np.arange(experts), layers),
    }
    for suffix, values in (("tokens", counts), ("share", shares), ("purity", purity)):
        for code, modality in enumerate(MODALITIES):
            columns[f"{modality}_{suffix}"] = values[:, code].reshape(-1)
    return pd.DataFrame(columns)


def top_experts(frame: pd.DataFrame, count: int = 16) -> pd.DataFrame:
    """The experts of each layer with the largest shares, images first, and all others as one.

    Args:
      frame: `analysis.roles` or `analysis.expert_shares`.
      count: experts with a row of their own in each layer: those with the largest share of either
        modality.

    Returns: the same columns and experts (how many a row stands for). Others have the expert -1,
      the sums of their tokens and shares, the purity of these, and no role.

    Raises:
      AnalysisError: `count` is below 1.
    """
    check_count(count, "count")
    found = []
    for layer, rows in frame.groupby("layer"):
        largest = rows[["image_share", "text_share"]].max(axis=1)
        own = rows.loc[largest.nlargest(count).index].assign(experts=1)
        found.append(own.sort_values(["image_purity", "expert"], ascending=[False, True]))
        rest = rows.drop(own.index)
        if len(rest):
            sums = rest[[f"{m}_{what}" for m in MODALITIES for what in ("tokens", "share")]].sum()
            both = sums["image_share"] + sums["text_share"]
            purity = {
                f"{m}_purity": sums[f"{m}_share"] / both if both else np.nan for m in MODALITIES
            }
            other = {"layer": layer, "expert": -1, "experts": len(rest), **sums, **purity}
            found.append(pd.DataFrame([other | ({"role": ""} if "role" in rows else {})]))
    joined = pd.concat(found, ignore_index=True)
    return joined.astype({f"{m}_tokens": np.int64 for m in MODALITIES})


def router_health(trace: RoutingTrace) -> pd.DataFrame:
    """Drops, entropies and number of experts in use: one row per layer and modality.

    Columns: layer, modality, tokens; drop_rate (of all choices); token_entropy (mean entropy of
    single tokens' gate distributions, the paper's local entropy) and mean_entropy (entropy of the
    average distribution, its global entropy), both in nats; experts_used (experts with more than a
    tenth of an even share of the modality's choices) and effective_experts (exp of mean_entropy: as
    if so many shared the tokens evenly); largest_share (of the choices, by one expert). NaN for a
    modality without tokens.
    """
    shares = balanced_shares(choice_counts(trace))
    some = UNUSED / trace.num_experts
    entropy = token_entropy(trace)
    rows = []
    for layer, block in enumerate(trace.layers):
        for code, modality in enumerate(MODALITIES):
            mask = trace.modality == code
            row: dict[str, object] = {"layer": int(block), "modality": modality}
            row["tokens"] = int(mask.sum())
            if mask.any():
                mean = trace.probs[layer, mask].astype(np.float64).mean(axis=0)
                of_mean = float(entr(mean).sum())
                row |= {
                    "drop_rate": float(trace.dropped[layer, mask].mean()),
                    "token_entropy": float(entropy[layer, mask].mean()),
                    "mean_entropy": of_mean,
                    "experts_used": float(np.sum(shares[layer, code] > some)),
                    "effective_experts": float(np.exp(of_mean)),
                    "largest_share": float(shares[layer, code].max()),
                }
            rows.append(row)
    return pd.DataFrame(rows, columns=_HEALTH)
