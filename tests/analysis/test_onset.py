"""When specialisation rises over the first step: known onsets, plain loops, and none by chance."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

import analysis
from analysis.errors import AnalysisError
from analysis.shares import pair_counts
from limoe_core.trace import RoutingTrace
from tests.analysis.conftest import make_trace


def routed(trace: RoutingTrace, rng: np.random.Generator, sorted_share: float) -> RoutingTrace:
    """The trace with random choices, of which a share tells images (0, 1) from text (2, 3)."""
    shape = trace.expert.shape
    anywhere = rng.integers(0, 4, shape)
    told = 2 * (trace.modality[None, :, None] == 1) + rng.integers(0, 2, shape)
    chosen = np.where(rng.random(shape) < sorted_share, told, anywhere)
    return dataclasses.replace(trace, expert=chosen.astype(np.int16))


def over(shares: dict[int, float], *, pairs: int = 24, seed: int = 0) -> dict[int, RoutingTrace]:
    rng = np.random.default_rng(seed)
    trace = make_trace(seed, pairs=pairs, layers=1, grid=4)
    return {step: routed(trace, rng, share) for step, share in shares.items()}


def test_the_onset_is_the_first_step_of_a_rise_that_stays() -> None:
    traces = over({0: 0.3, 10: 0.3, 20: 0.9, 30: 0.3, 40: 0.8, 80: 0.9})
    found = analysis.specialisation_onset(traces, samples=200).iloc[0]
    assert (found["onset"], found["before"]) == (40, 30)
    assert found["low"] <= 40 <= found["high"]
    nmi = {step: analysis.modality_specialisation(t)["nmi"].iloc[0] for step, t in traces.items()}
    assert found["baseline"] == pytest.approx(nmi[0])
    assert found["last"] == pytest.approx(nmi[80])
    above = {step: value - nmi[0] > found["threshold"] for step, value in nmi.items()}
    assert above == {0: False, 10: False, 20: True, 30: False, 40: True, 80: True}


def test_routers_that_sort_from_the_start_have_no_onset() -> None:
    found = analysis.specialisation_onset(over({0: 0.9, 10: 0.9, 20: 0.9}), samples=200).iloc[0]
    assert pd.isna(found["onset"])
    assert pd.isna(found["before"])
    assert found["baseline"] > 0.4


def test_without_a_rise_an_onset_is_found_as_seldom_as_it_says() -> None:
    found = [
        analysis.specialisation_onset(over({0: 0.3, 10: 0.3}, seed=seed), samples=100)["onset"]
        for seed in range(60)
    ]
    assert sum(onset.notna().any() for onset in found) <= 7  # 3 expected of 60, at 5 %


def test_the_threshold_is_that_of_a_plain_loop() -> None:
    traces = over({0: 0.2, 5: 0.4, 9: 0.5}, pairs=6)
    frame = analysis.specialisation_onset(traces, samples=50, seed=3)
    counts = [pair_counts(trace)[0] for trace in traces.values()]
    rng = np.random.default_rng(3)
    largest = []
    for flips in rng.random((50, 6)) < 0.5:
        rises = []
        for later in counts[1:]:
            one, other = counts[0].copy(), later.copy()
            for pair in np.flatnonzero(flips):
                one[pair], other[pair] = later[pair], counts[0][pair]
            rises.append(analysis.modality_nmi(other.sum(0)) - analysis.modality_nmi(one.sum(0)))
        largest.append(max(rises))
    assert frame["threshold"].iloc[0] == pytest.approx(np.quantile(largest, 0.95))


def test_pairs_of_one_concept_go_together() -> None:
    traces = over({0: 0.2, 5: 0.9}, pairs=12)
    concepts = np.array([f"c{i // 2}" for i in range(12)])
    named = {
        step: dataclasses.replace(trace, meta={**trace.meta, "concept": concepts})
        for step, trace in traces.items()
    }
    assert analysis.specialisation_onset(named, samples=50)["units"].iloc[0] == 6
    assert analysis.specialisation_onset(named, samples=50)["pairs"].iloc[0] == 12


def test_one_step_or_other_tokens_are_refused() -> None:
    traces = over({0: 0.3, 10: 0.9})
    with pytest.raises(AnalysisError, match="two steps"):
        analysis.specialisation_onset({0: traces[0]})
    with pytest.raises(AnalysisError, match="same tokens"):
        analysis.specialisation_onset({0: traces[0], 10: make_trace(1, pairs=3, layers=1)})
