"""How differently images and texts are routed: the Jensen–Shannon divergence of their shares."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer, Num
from scipy.special import entr

from analysis.arguments import check_count, check_share, counts_by_modality
from analysis.errors import AnalysisError
from analysis.resampling import jackknife, units
from analysis.shares import balanced_shares, pair_counts
from limoe_core.trace import RoutingTrace


def jensen_shannon(counts: Num[np.ndarray, "*b 2 E"]) -> Float[np.ndarray, "*b"]:
    """Jensen–Shannon divergence of the modalities' shares among experts, in bits.

    H((p + q) / 2) − (H(p) + H(q)) / 2: 0 for equal shares, 1 if no expert serves both. It is the
    mutual information of modality and expert with each modality weighted equally, in bits; so it is
    `analysis.modality_nmi` times min(1, H(expert)), and equal to it where experts have a bit of
    entropy or more. NaN where a modality has no tokens.

    Args:
      counts: tokens by modality and expert.

    Raises:
      AnalysisError: the counts have another shape, or are no numbers from 0 on.
    """
    counts = counts_by_modality(counts).astype(np.float64)
    shares = balanced_shares(counts)
    mixed = entr(shares.mean(axis=-2)).sum(axis=-1)
    bits = (mixed - entr(shares).sum(axis=-1).mean(axis=-1)) / np.log(2)
    both = np.all(counts.sum(axis=-1) > 0, axis=-1)
    return np.where(both, np.clip(bits, 0.0, 1.0), np.nan)


def routing_divergence(
    trace: RoutingTrace, *, samples: int = 500, level: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """`jensen_shannon` of each layer, with an interval and what it is by chance.

    By chance: where picture and text of a pair, each routed as it is, change places at random, so
    that which of them is called the picture has nothing to do with the routing. Pairs of one
    concept are alike and change places together, and each keeps the weight of whose place it takes.

    Args:
      samples: how often they change places.
      level: of the interval, a jackknife over pairs, or over concepts where several pairs show one.

    Returns: one row per layer, with columns layer, bits, corrected (less its bias), low, high
      (around the corrected value), null (its mean by chance), null_high (what 95 % of these stay
      below), p (the share that reaches the value, the value itself counted in), resampled ("pairs"
      or "concepts"), pairs.

    Raises:
      AnalysisError: the trace lacks a modality, `samples` is below 1, or `level` is not between 0
        and 1.
    """
    check_count(samples, "samples")
    check_share(level, "level", inside=True)
    counts = pair_counts(trace)
    if np.any(counts.sum(axis=(0, 1, 3)) == 0):
        raise AnalysisError("a divergence compares modalities: the trace needs images and texts")
    drawn = units(trace)
    rows = []
    for layer, block in enumerate(trace.layers):
        value = float(jensen_shannon(counts[layer].sum(axis=0)))
        corrected, low, high = jackknife(drawn.total(counts[layer]), jensen_shannon, level)
        chance = _by_chance(drawn.total(counts[layer]), samples, seed)
        rows.append(
            {
                "layer": int(block),
                "bits": value,
                "corrected": corrected,
                "low": low,
                "high": high,
                "null": float(chance.mean()),
                "null_high": float(np.quantile(chance, 0.95)),
                "p": float((1 + np.count_nonzero(chance >= value - 1e-12)) / (1 + samples)),
                "resampled": drawn.kind,
                "pairs": trace.num_pairs,
            }
        )
    return pd.DataFrame(rows)


def _by_chance(
    counts: Integer[np.ndarray, "U 2 E"], samples: int, seed: int
) -> Float[np.ndarray, " samples"]:
    """The divergence with pictures and texts of random units in each other's place.

    What comes into a modality's place is scaled to as many tokens as it replaces (or, where there
    are none, as the modality has on average): were many patches put for few words, both sums would
    be steadier than those of so few words, and smaller by chance.
    """
    tokens = counts.sum(axis=-1)
    there = tokens > 0
    usual = tokens.sum(axis=0) / there.sum(axis=0).clip(1)
    size = np.where(there, tokens, usual)
    others = balanced_shares(counts)[:, ::-1] * size[..., None]
    rng = np.random.default_rng(seed)
    change = rng.integers(2, size=(samples, len(counts)))
    # Where a unit changes places, its first row goes to the second sum and the other way round.
    swapped = counts.sum(axis=0) + np.einsum("sn,nab->sab", change, others - counts)
    # Of subtractions, rounding may leave less than nothing.
    swapped = np.where(swapped > 1e-9, swapped, 0.0)
    # A resample may leave a modality without tokens, where most pairs have one half alone.
    return np.nan_to_num(jensen_shannon(swapped))
