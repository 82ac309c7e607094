"""Specialisation by modality: normalised mutual information, and each expert's role."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float, Num
from scipy.special import entr

from analysis.arguments import check_count, check_share, counts_by_modality
from analysis.errors import AnalysisError
from analysis.shares import balanced_shares, expert_shares, pair_counts
from limoe_core.trace import RoutingTrace

#: An expert of one modality has more than this share of its tokens from it, modalities balanced.
PURE = 0.9
#: A mixed expert has more than this share of its tokens from each modality, modalities balanced.
MIXED = 0.2
#: A dead expert gets at most this share of the tokens of every modality.
DEAD = 0.01
#: All roles that `roles` gives, in the order in which figures list them.
ROLES = ("image", "leaning image", "mixed", "leaning text", "text", "dead")


def modality_nmi(counts: Num[np.ndarray, "*b 2 E"]) -> Float[np.ndarray, "*b"]:
    """I(M; E) / min(H(M), H(E)) of modality and expert, each modality weighted equally.

    `counts` holds tokens by modality and expert. 0 says that expert and modality are independent,
    1 that one of them determines the other. With equal weights H(M) = log 2. 0 where all tokens go
    to one expert, NaN where a modality has no tokens.

    Raises:
      AnalysisError: the counts have another shape, or are no numbers from 0 on.
    """
    counts = counts_by_modality(counts).astype(np.float64)
    joint = 0.5 * balanced_shares(counts)
    of_expert = joint.sum(axis=-2)
    entropy = entr(of_expert).sum(axis=-1)
    mutual = np.log(2.0) + entropy - entr(joint).sum(axis=(-2, -1))
    least = np.minimum(np.log(2.0), entropy)
    nmi = np.divide(mutual, least, out=np.zeros_like(mutual), where=least > 1e-12)
    both = np.all(counts.sum(axis=-1) > 0, axis=-1)
    return np.where(both, np.clip(nmi, 0.0, 1.0), np.nan)


def modality_specialisation(
    trace: RoutingTrace, *, samples: int = 1000, level: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """`modality_nmi` of each layer's first choices, with a bootstrap interval.

    The interval resamples whole pairs, since the tokens of one picture are not independent; its
    ends are quantiles of `samples` resamples. Columns: layer, nmi, low, high, pairs, tokens.

    Raises:
      AnalysisError: the trace lacks one of the modalities altogether, `samples` is not positive, or
        `level` is not between 0 and 1.
    """
    check_count(samples, "samples")
    check_share(level, "level", inside=True)
    counts = pair_counts(trace)
    if np.any(counts.sum(axis=(0, 1, 3)) == 0):
        raise AnalysisError(
            "specialisation compares modalities: the trace needs both image and text tokens"
        )
    rng = np.random.default_rng(seed)
    pairs = trace.num_pairs
    draws = rng.multinomial(pairs, np.full(pairs, 1 / pairs), size=samples)
    rows = []
    for layer, block in enumerate(trace.layers):
        flat = counts[layer].reshape(pairs, -1)
        resampled = (draws @ flat).reshape(samples, 2, trace.num_experts)
        tail = (1 - level) / 2
        low, high = np.nanquantile(modality_nmi(resampled), [tail, 1 - tail])
        rows.append(
            {
                "layer": int(block),
                "nmi": float(modality_nmi(counts[layer].sum(axis=0))),
                "low": float(low),
                "high": float(high),
                "pairs": pairs,
                "tokens": trace.num_tokens,
            }
        )
    return pd.DataFrame(rows)


def roles(trace: RoutingTrace) -> pd.DataFrame:
    """`expert_shares` with one more column, role: the modalities that the expert serves.

    "image" or "text" for over 90 % of its tokens from one modality; "mixed" for over 20 % from
    each; "leaning image" or "leaning text" for what lies between; "dead" for at most 1 % of the
    tokens of either modality. All with the modalities weighted equally.
    """
    frame = expert_shares(trace)
    frame["role"] = [
        role(image, text)
        for image, text in zip(frame["image_share"], frame["text_share"], strict=True)
    ]
    return frame


def role(image_share: float, text_share: float) -> str:
    """The role of an expert with these shares of all image and of all text tokens.

    Raises:
      AnalysisError: one of them is not from 0 to 1.
    """
    check_share(image_share, "image_share")
    check_share(text_share, "text_share")
    if max(image_share, text_share) <= DEAD:
        return "dead"
    image = image_share / (image_share + text_share)
    if image > PURE:
        return "image"
    if 1 - image > PURE:
        return "text"
    if min(image, 1 - image) > MIXED:
        return "mixed"
    return "leaning image" if image > 0.5 else "leaning text"
