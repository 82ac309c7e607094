"""Use of experts: shares by modality, purity, utilisation, drops and entropies."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Integer, Num
from scipy.special import entr

from analysis.arguments import check_count, check_trace, counts_by_modality
from analysis.frame import distribution, token_entropy
from limoe_core.trace import MODALITIES, OTHER, RoutingTrace

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
    experts, counted = trace.num_experts, trace.modality < OTHER
    shape = (trace.num_pairs, 2, experts)
    counts = np.zeros((trace.num_layers, *shape), np.int64)
    cell = (trace.pair[counted].astype(np.int64) * 2 + trace.modality[counted]) * experts
    for layer in range(trace.num_layers):
        chosen = trace.expert[layer, counted, :choices]
        places = (cell[:, None] + chosen)[chosen >= 0]
        counts[layer] = np.bincount(places, minlength=math.prod(shape)).reshape(shape)
    return counts


def reachable_experts(trace: RoutingTrace) -> Bool[np.ndarray, "L 2 E"]:
    """Experts that tokens of each modality can choose by the model's design."""
    experts = np.arange(trace.num_experts) < trace.experts[:, None]
    can = np.repeat(experts[:, None], 2, axis=1)
    known = None if trace.routers is None else trace.routers.reachable
    if known is not None:
        kind = trace.modality if trace.kind is None else trace.kind
        for code in range(2):
            kinds = np.unique(kind[trace.modality == code])
            can[:, code] &= known[:, kinds].any(axis=1) if len(kinds) else True
    return can


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

    Layers may have different numbers of experts. Columns: layer, expert; image_tokens, text_tokens
    (tokens that choose it, with any of their K choices); image_share, text_share (of all choices of
    that modality in that layer, so they sum to 1 over the experts); image_purity and text_purity
    (the expert's own mixture with modalities weighted equally, share_m / (share_image +
    share_text), so that the many patches do not drown the few words; NaN for an expert that no
    token chose).
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
    frame = pd.DataFrame(columns)
    there = frame["expert"].to_numpy() < np.repeat(trace.experts, experts)
    return frame if there.all() else frame[there].reset_index(drop=True)


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
    modality without tokens, and entropies of a trace without scores. Tokens that a router chose
    nothing for are not among its tokens; scores that are no distribution are divided by their sum.
    """
    check_trace(trace)
    entropy = token_entropy(trace)
    means = np.full((trace.num_layers, len(MODALITIES), 2), np.nan)
    for layer in range(trace.num_layers):
        for code in range(len(MODALITIES)):
            mask = _chosen_for(trace, layer, code)
            if mask.any():
                mean = distribution(trace, layer)[mask].mean(axis=0)
                means[layer, code] = entropy[layer, mask].mean(), entr(mean).sum()
    return health(trace, means)


def _chosen_for(trace: RoutingTrace, layer: int, code: int) -> Bool[np.ndarray, " T"]:
    """Tokens of a modality that the router chose an expert for."""
    return (trace.modality == code) & trace.chose[layer].any(axis=-1)


def health(trace: RoutingTrace, entropies: Float[np.ndarray, "L 2 2"]) -> pd.DataFrame:
    """`router_health` of a trace whose distributions over experts need not be there.

    Args:
      entropies: by layer and modality, of single tokens on average and of the average, in nats.
    """
    shares = balanced_shares(choice_counts(trace))
    some = UNUSED / reachable_experts(trace).sum(axis=-1).clip(1)
    rows = []
    for layer, block in enumerate(trace.layers):
        for code, modality in enumerate(MODALITIES):
            mask = _chosen_for(trace, layer, code)
            row: dict[str, object] = {"layer": int(block), "modality": modality}
            row["tokens"] = int(mask.sum())
            if mask.any():
                of_token, of_mean = entropies[layer, code]
                row |= {
                    "drop_rate": float(trace.dropped[layer, mask][trace.chose[layer, mask]].mean()),
                    "token_entropy": float(of_token),
                    "mean_entropy": float(of_mean),
                    "experts_used": float(np.sum(shares[layer, code] > some[layer, code])),
                    "effective_experts": float(np.exp(of_mean)),
                    "largest_share": float(shares[layer, code].max()),
                }
            rows.append(row)
    return pd.DataFrame(rows, columns=_HEALTH)
