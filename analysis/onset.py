"""When specialisation rises over what the untrained routers show already."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Integer

from analysis.arguments import check_count, check_share, check_traces
from analysis.errors import AnalysisError
from analysis.saturation import require_same_tokens
from analysis.shares import pair_counts
from analysis.specialisation import modality_nmi
from limoe_core.trace import RoutingTrace

_COLUMNS = [
    "layer",
    "onset",
    "before",
    "low",
    "high",
    "baseline",
    "last",
    "threshold",
    "units",
    "pairs",
    "samples",
]


def specialisation_onset(
    traces: Mapping[int, RoutingTrace], *, samples: int = 1000, level: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """The first step from which modality NMI stays above its value at the first step, by layer.

    Routers without training sort images from text already, as their inputs lie apart. So what
    counts is the rise over the first probe (step 0), and it must be larger than chance gives: if
    training had changed nothing, it would not matter which of a pair's two routings is called the
    first and which the later one. They are exchanged at random, pair by pair, `samples` times, and
    of the largest rise over all steps (there are many to look at) the `level` quantile is the
    threshold. Onset is the first step that lies above it together with all later steps.

    Its interval resamples pairs, the same ones at all steps, with that threshold. Pairs that show
    one concept are alike: they are exchanged and resampled together.

    Args:
      traces: traces of the same pairs by step, such as `analysis.probe_traces(run)`.

    Returns: one row per layer, with columns layer; onset (a step; missing where there is none);
      before (the probe before it: the rise lies between these two); low, high (missing where so
      many resamples have no onset); baseline, last (NMI at the first and the last step); threshold
      (of the rise); units (concepts or pairs that are resampled), pairs, samples.

    Raises:
      AnalysisError: there are fewer than two steps, or they are of different tokens, or a modality
        is missing altogether.
    """
    check_traces(traces)
    check_count(samples, "samples")
    check_share(level, "level", inside=True)
    steps = sorted(traces)
    if len(steps) < 2:
        raise AnalysisError("an onset needs traces of at least two steps")
    first = traces[steps[0]]
    for step in steps[1:]:
        require_same_tokens(traces[step], first, f"step {step}", f"step {steps[0]}")
    units = _units(first)
    rng = np.random.default_rng(seed)
    count = int(units.max()) + 1
    exchanged = rng.random((samples, count)) < 0.5
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=samples)
    by_step = np.stack([_counts_of_units(traces[step], units) for step in steps])
    if np.any(by_step[0].sum(axis=(0, 1, 3)) == 0):
        raise AnalysisError("specialisation compares modalities: traces need both images and text")
    rows = []
    for layer, block in enumerate(first.layers):
        of_layer = by_step[:, layer]
        nmi = modality_nmi(of_layer.sum(axis=1))
        threshold = float(np.quantile(_largest_by_chance(of_layer, exchanged), level))
        place = int(_onset((nmi - nmi[0])[None] > threshold)[0])
        again = _resampled(of_layer, drawn)
        places = _onset(again - again[:, :1] > threshold)
        low, high = np.quantile(
            places, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf"
        ).tolist()
        rows.append(
            {
                "layer": int(block),
                "onset": _step(steps, place),
                "before": steps[place - 1] if place < len(steps) else pd.NA,
                "low": _step(steps, int(low)),
                "high": _step(steps, int(high)),
                "baseline": float(nmi[0]),
                "last": float(nmi[-1]),
                "threshold": threshold,
                "units": count,
                "pairs": first.num_pairs,
                "samples": samples,
            }
        )
    whole = dict.fromkeys(("onset", "before", "low", "high"), "Int64")
    return pd.DataFrame(rows, columns=_COLUMNS).astype(whole)


def _units(trace: RoutingTrace) -> Integer[np.ndarray, " N"]:
    """What is exchanged and resampled together: the number of each pair's concept, or the pair."""
    concepts = trace.meta.get("concept", np.full(trace.num_pairs, ""))
    names = [f"c{name}" if name else f"p{at}" for at, name in enumerate(concepts)]
    return np.unique(names, return_inverse=True)[1]


def _counts_of_units(
    trace: RoutingTrace, units: Integer[np.ndarray, " N"]
) -> Integer[np.ndarray, "L U 2 E"]:
    counts = pair_counts(trace)
    found = np.zeros((len(counts), int(units.max()) + 1, *counts.shape[2:]), np.int64)
    for layer, of_layer in enumerate(counts):
        np.add.at(found[layer], units, of_layer)
    return found


def _largest_by_chance(
    counts: Integer[np.ndarray, "S U 2 E"], exchanged: Bool[np.ndarray, "b U"]
) -> Float[np.ndarray, " b"]:
    """The largest rise over all later steps in each exchange of first and later routings."""
    largest = np.full(len(exchanged), -np.inf)
    before = counts[0]
    for after in counts[1:]:
        moved = np.tensordot(exchanged.astype(np.int64), after - before, axes=1)
        rise = modality_nmi(after.sum(axis=0) - moved) - modality_nmi(before.sum(axis=0) + moved)
        largest = np.maximum(largest, rise)
    return largest


def _resampled(
    counts: Integer[np.ndarray, "S U 2 E"], drawn: Integer[np.ndarray, "b U"]
) -> Float[np.ndarray, "b S"]:
    return np.stack([modality_nmi(np.tensordot(drawn, each, axes=1)) for each in counts], axis=1)


def _onset(above: Bool[np.ndarray, "b S"]) -> Integer[np.ndarray, " b"]:
    """Place of the first step that is above together with all later ones; S where there is none."""
    stays = np.logical_and.accumulate(above[:, ::-1], axis=1)[:, ::-1]
    return np.where(stays.any(axis=1), stays.argmax(axis=1), above.shape[1])


def _step(steps: list[int], place: int) -> object:
    return steps[place] if place < len(steps) else pd.NA
