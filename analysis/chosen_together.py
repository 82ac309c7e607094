"""Which experts are chosen together, by tokens that have several (K > 1)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer

from analysis.arguments import check_count, check_trace
from analysis.errors import AnalysisError
from analysis.resampling import Units, units
from limoe_core.trace import MODALITIES, RoutingTrace

_COLUMNS = [
    "layer",
    "modality",
    "expert",
    "other",
    "together",
    "share",
    "expected",
    "lift",
    "low",
    "high",
    "tokens",
    "pairs",
]


def coactivation(trace: RoutingTrace, *, samples: int = 200, seed: int = 0) -> pd.DataFrame:
    """How often a token has both experts, against independent choices with the same shares.

    Independent: tokens draw K different experts with fixed odds, such that each expert is chosen as
    often as it is (the sets of K with the largest entropy for these shares). So experts that are
    both popular are together often without any tie between them.

    Args:
      samples: resamples of whole pairs, or of concepts where several pairs show one; 0 for no
        interval.

    Returns: one row per layer, modality and two experts, with columns layer, modality, expert,
      other, together (tokens with both), share (of the modality's tokens), expected (that share
      under independent choices), lift (share / expected, 1 for none; NaN where it is expected of no
      token), low, high (its 95 % interval, the expected share held fixed), tokens (with all
      K choices), pairs.

    Raises:
      AnalysisError: tokens have one choice each, or `samples` is below 0.
    """
    check_trace(trace)
    check_count(samples, "samples", 0)
    if trace.top_k < 2:
        raise AnalysisError("each token has one expert here, so that no two are chosen together")
    drawn = units(trace)
    one, other = np.triu_indices(trace.num_experts, 1)
    frames = []
    for layer, block in enumerate(trace.layers):
        for code, modality in enumerate(MODALITIES):
            made = trace.chose[layer].sum(axis=-1)
            most = int(made.max(initial=0))  # routers may choose fewer than others of the model
            tokens = np.flatnonzero((trace.modality == code) & (made == most))
            if not len(tokens) or most < 2:
                continue
            chosen = trace.expert[layer, tokens, :most].astype(np.int64)
            together = _together(chosen, trace.pair[tokens], drawn, trace.num_experts)[
                :, one, other
            ]
            shares = np.bincount(chosen.reshape(-1), minlength=trace.num_experts) / len(tokens)
            expected = independent_pairs(shares)[one, other]
            share = together.sum(axis=0) / len(tokens)
            possible = expected > 1e-12
            low, high = _interval(together, drawn, trace.pair[tokens], samples, seed)
            ratio = np.where(possible, expected, np.nan)
            frames.append(
                pd.DataFrame(
                    {
                        "layer": int(block),
                        "modality": modality,
                        "expert": one,
                        "other": other,
                        "together": together.sum(axis=0),
                        "share": share,
                        "expected": expected,
                        "lift": share / ratio,
                        "low": low / ratio,
                        "high": high / ratio,
                        "tokens": len(tokens),
                        "pairs": len(np.unique(trace.pair[tokens])),
                    }
                )
            )
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=_COLUMNS)


def _together(
    chosen: Integer[np.ndarray, "t K"],
    pair: Integer[np.ndarray, " t"],
    drawn: Units,
    experts: int,
) -> Integer[np.ndarray, "U E E"]:
    """Tokens of each unit that have both experts, the lower one first."""
    found = np.zeros((drawn.size, experts, experts), np.int32)
    unit = drawn.of_pair[pair]
    for first in range(chosen.shape[1]):
        for second in range(first + 1, chosen.shape[1]):
            low, high = np.sort(chosen[:, [first, second]], axis=1).T
            np.add.at(found, (unit, low, high), 1)
    return found


def _interval(
    together: Integer[np.ndarray, "U P"],
    drawn: Units,
    pair: Integer[np.ndarray, " t"],
    samples: int,
    seed: int,
) -> tuple[Float[np.ndarray, " P"], Float[np.ndarray, " P"]]:
    """95 % of the shares in resamples of units."""
    if not samples:
        return (np.full(together.shape[1], np.nan),) * 2
    tokens = np.bincount(drawn.of_pair[pair], minlength=drawn.size)
    even = np.full(drawn.size, 1 / drawn.size)
    draws = np.random.default_rng(seed).multinomial(drawn.size, even, size=samples)
    shares = (draws @ together) / np.maximum(draws @ tokens, 1)[:, None]
    low, high = np.quantile(shares, [0.025, 0.975], axis=0)
    return low, high


def independent_pairs(shares: Float[np.ndarray, " E"]) -> Float[np.ndarray, "E E"]:
    """Chance that a token has both experts where it draws K of them with fixed odds.

    Conditional Bernoulli sampling (Chen, Dempster and Liu, 1994): sets of K experts have a chance
    proportional to the product of their odds, which are such that each expert is in a set as often
    as `shares` say.

    Args:
      shares: of the tokens, those that have each expert; their sum is K.
    """
    size = round(float(shares.sum()))
    found = np.zeros((len(shares), len(shares)))
    always, never = shares > 1 - 1e-9, shares < 1e-9
    free = np.flatnonzero(~always & ~never)
    rest = size - int(always.sum())
    sure = np.where(always, 1.0, shares)
    found[:] = np.outer(sure, sure)  # of one that all tokens have, with any other
    if len(free) and rest:
        odds = _odds(shares[free], rest)
        if rest > 1:
            # Of one expert at a time and any other: both of them left out is the odds of both 0.
            alone = _without_itself(odds)
            others = [_symmetric(_without_itself(each), rest - 2)[:, -1] for each in alone]
            both = np.outer(odds, odds) * np.stack(others) / _symmetric(odds, rest)[rest]
        else:
            both = np.zeros((len(free), len(free)))
        found[np.ix_(free, free)] = both
    np.fill_diagonal(found, shares)
    return found


def _odds(shares: Float[np.ndarray, " e"], size: int) -> Float[np.ndarray, " e"]:
    """Odds with which sets of `size` hold each as often as its share (iterative fitting)."""
    odds = shares / (1 - shares)
    for _ in range(500):
        alone = _symmetric(_without_itself(odds), size - 1)[..., size - 1]
        held = odds * alone / _symmetric(odds, size)[size]
        odds = odds * shares / held
        odds /= np.exp(np.log(odds).mean())
        if np.abs(held - shares).max() < 1e-10:
            break
    return odds


def _without_itself(odds: Float[np.ndarray, " e"]) -> Float[np.ndarray, "e e"]:
    """The odds, one row for each expert, in which its own are 0."""
    return np.where(np.eye(len(odds), dtype=bool), 0.0, odds)


def _symmetric(values: Float[np.ndarray, "*b e"], most: int) -> Float[np.ndarray, "*b k"]:
    """Elementary symmetric polynomials of degree 0 to `most` of the values along the last axis."""
    found = np.zeros((*values.shape[:-1], most + 1))
    found[..., 0] = 1.0
    for value in np.moveaxis(values, -1, 0):
        found[..., 1:] = found[..., 1:] + value[..., None] * found[..., :-1]
    return found
