"""Do tokens that look alike to a router share experts?"""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer
from scipy.stats import rankdata

from analysis.arguments import check_count, check_trace
from analysis.errors import AnalysisError
from analysis.resampling import units
from limoe_core.trace import IMAGE, TEXT, RoutingTrace

#: Kinds of two tokens that are compared, as figures list them.
KINDS = {
    "image, image": (IMAGE, IMAGE),
    "text, text": (TEXT, TEXT),
    "image, text": (IMAGE, TEXT),
}


def routing_overlap(
    trace: RoutingTrace,
    *,
    bins: int = 8,
    count: int = 20_000,
    samples: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Share of experts that two tokens have in common, by the similarity of the router's inputs.

    Tokens of different pairs are drawn at random. Inputs are compared less their mean over the
    layer's tokens, modalities weighted equally, since all tokens share a large part. A router is a
    linear map, so overlap that grows with similarity is what one expects of any router; how fast it
    grows, and whether it does so within each modality, is what tells them apart.

    Args:
      trace: with the routers' inputs, from `model.trace(…, hidden=True)`.
      bins: of equally many token pairs, from the least to the most similar.
      count: token pairs of each kind.
      samples: resamples of whole pairs, or of concepts where several pairs show one, for the
        intervals; a token pair counts as often as both its pairs together.

    Returns: one row per layer, kind and bin, with columns layer, kind ("image, image", …), bin,
      cosine (its mean), overlap (mean share of the K choices that both have), low, high (95 %),
      chance (the overlap of tokens of the kind drawn whatever their similarity), correlation (of
      the ranks of cosine and overlap over the kind's token pairs, with correlation_low and
      correlation_high), token_pairs.

    Raises:
      AnalysisError: the trace holds no inputs, or has one pair, or a number is below 1.
    """
    check_trace(trace)
    for value, name in ((bins, "bins"), (count, "count"), (samples, "samples")):
        check_count(value, name)
    if trace.hidden is None:
        raise AnalysisError("overlap needs the routers' inputs: trace with hidden=True")
    if trace.num_pairs < 2:
        raise AnalysisError("overlap compares tokens of different pairs: trace at least two")
    drawn = units(trace)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(drawn.size, np.full(drawn.size, 1 / drawn.size), size=samples)
    rows = []
    for kind, codes in KINDS.items():
        one, other = _token_pairs(trace, codes, count, rng)
        if not len(one):
            continue
        unit = drawn.of_pair[trace.pair]
        weight = (weights[:, unit[one]] * weights[:, unit[other]]).astype(np.float64)
        for layer, block in enumerate(trace.layers):
            cosine = _cosines(_centred(trace, layer), one, other)
            overlap = _overlaps(trace.expert[layer], one, other)
            middle = _rank_correlation(cosine, overlap, np.ones((1, len(one))))[0]
            low, high = np.nanquantile(_rank_correlation(cosine, overlap, weight), [0.025, 0.975])
            common = {
                "chance": float(overlap.mean()),
                "correlation": float(middle),
                "correlation_low": float(low),
                "correlation_high": float(high),
            }
            parts = np.array_split(np.argsort(cosine, kind="stable"), min(bins, len(one)))
            for number, part in enumerate(parts):
                means = _means(overlap[part], weight[:, part])
                row = {"layer": int(block), "kind": kind, "bin": number}
                row |= {
                    "cosine": float(cosine[part].mean()),
                    "overlap": float(overlap[part].mean()),
                }
                low, high = np.nanquantile(means, [0.025, 0.975])
                row |= {"low": float(low), "high": float(high), **common}
                rows.append({**row, "token_pairs": len(part)})
    return pd.DataFrame(rows).sort_values(["layer", "kind", "bin"], ignore_index=True)


def _token_pairs(
    trace: RoutingTrace, codes: tuple[int, int], count: int, rng: np.random.Generator
) -> tuple[Integer[np.ndarray, " p"], Integer[np.ndarray, " p"]]:
    """Tokens of these modalities, of different pairs, drawn at random."""
    first, second = (np.flatnonzero(trace.modality == code) for code in codes)
    if not len(first) or not len(second):
        return first[:0], second[:0]
    one, other = rng.choice(first, count), rng.choice(second, count)
    apart = trace.pair[one] != trace.pair[other]
    return one[apart], other[apart]


def _centred(trace: RoutingTrace, layer: int) -> Float[np.ndarray, "T c"]:
    assert trace.hidden is not None
    hidden = trace.hidden[layer].astype(np.float64)
    present = [code for code in (IMAGE, TEXT) if np.any(trace.modality == code)]
    return hidden - np.mean([hidden[trace.modality == code].mean(axis=0) for code in present], 0)


def _cosines(
    hidden: Float[np.ndarray, "T c"],
    one: Integer[np.ndarray, " p"],
    other: Integer[np.ndarray, " p"],
) -> Float[np.ndarray, " p"]:
    unit = hidden / np.linalg.norm(hidden, axis=1, keepdims=True).clip(1e-12)
    return np.einsum("pc,pc->p", unit[one], unit[other])


def _overlaps(
    expert: Integer[np.ndarray, "T K"],
    one: Integer[np.ndarray, " p"],
    other: Integer[np.ndarray, " p"],
) -> Float[np.ndarray, " p"]:
    """Share of the K choices that two tokens have in common; -1, no choice, is none."""
    chosen = expert[one][:, :, None]
    same = (chosen == expert[other][:, None, :]) & (chosen >= 0)
    return same.any(axis=2).mean(axis=1)


def _means(
    values: Float[np.ndarray, " p"], weight: Float[np.ndarray, "s p"]
) -> Float[np.ndarray, " s"]:
    total = weight.sum(axis=1)
    return np.divide(weight @ values, total, out=np.full(len(total), np.nan), where=total > 0)


def _rank_correlation(
    one: Float[np.ndarray, " p"], other: Float[np.ndarray, " p"], weight: Float[np.ndarray, "s p"]
) -> Float[np.ndarray, " s"]:
    """Correlation of ranks, with weights; NaN where one of both is constant."""
    first, second = rankdata(one), rankdata(other)
    first, second = first - first.mean(), second - second.mean()
    mean_1, mean_2 = _means(first, weight), _means(second, weight)
    covariance = _means(first * second, weight) - mean_1 * mean_2
    variance = (_means(first**2, weight) - mean_1**2) * (_means(second**2, weight) - mean_2**2)
    size = np.sqrt(variance.clip(0))
    return np.divide(covariance, size, out=np.full(len(size), np.nan), where=size > 1e-9)
