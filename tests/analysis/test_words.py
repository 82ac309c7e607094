"""Words of experts beside what they would be by chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import analysis
from limoe_core.trace import RoutingTrace


def routed_by(trace: RoutingTrace, choose) -> RoutingTrace:
    """The trace with the first choice that `choose(word, pair)` names for each text token."""
    words, expert = analysis.token_labels(trace, "word"), trace.expert.copy()
    for token in np.flatnonzero(trace.modality == 1):
        expert[:, token, 0] = choose(str(words[token]), int(trace.pair[token]))
    return replace(trace, expert=expert)


def test_of_words_that_experts_know_nothing_of_few_lists_have_any_beyond_chance(trace_of) -> None:
    lists = beyond = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        of_pair = rng.integers(4, size=60)  # words of one pair go together, whatever they are
        trace = routed_by(trace_of(seed, pairs=60, layers=1), lambda _, pair, at=of_pair: at[pair])
        frame = analysis.words_of_experts(trace, 2, "word", None, samples=60, seed=seed)
        for _, mine in frame.groupby("expert"):
            lists += 1
            beyond += bool((mine["weight"] > mine["chance"]).any())
    assert lists >= 40
    assert beyond <= 0.2 * lists  # 5 % is meant; as many as 20 % in one of a thousand tries


def test_words_that_choose_an_expert_are_beyond_chance(trace_of) -> None:
    of_pair = np.random.default_rng(0).integers(4, size=60)
    trace = routed_by(
        trace_of(1, pairs=60, layers=1), lambda word, pair: 1 if word == "red" else of_pair[pair]
    )
    frame = analysis.words_of_experts(trace, 2, "word", None, samples=100)
    mine = frame[(frame["expert"] == 1)].iloc[0]
    assert mine["value"] == "red"
    assert mine["weight"] > mine["chance"]
    assert mine["p"] == pytest.approx(1 / 101)
    assert mine["low"] == mine["high"] == mine["share"] == 1


def test_intervals_are_those_of_preferences_and_no_samples_give_none(trace_of) -> None:
    trace = trace_of(pairs=30)
    frame = analysis.top_words(trace, 2, 1, by="piece", samples=80)
    preferences = analysis.expert_preferences(
        trace, 2, "piece", "text", min_tokens=2, samples=80
    ).set_index(["expert", "value"])
    for row in frame.itertuples():
        same = preferences.loc[(1, row.value)]
        assert (row.low, row.high) == pytest.approx((same["low"], same["high"]), nan_ok=True)
    bare = analysis.top_words(trace, 2, 1, by="piece", samples=0)
    assert bare[["chance", "p", "low", "high"]].isna().all(axis=None)
    assert bare["weight"].tolist() == frame["weight"].tolist()


def test_pairs_of_one_concept_are_one_witness_for_its_words(trace_of) -> None:
    """Three pairs each have a concept's words and its expert, which no word chose."""
    lists = beyond = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        of_concept = rng.integers(4, size=16)
        trace = trace_of(seed, pairs=48, layers=1, grid=1)
        concept = np.arange(48) % 16
        words = np.array([f"▁w{word}" for word in rng.integers(25, size=(16, 3)).flat])
        said = words.reshape(16, 3)[concept[trace.pair], trace.position]
        trace = replace(
            trace,
            piece=np.where(trace.modality == 1, said, ""),
            meta={**trace.meta, "concept": concept.astype(str)},
        )
        trace = routed_by(trace, lambda _, pair, at=of_concept[concept]: at[pair])
        frame = analysis.words_of_experts(trace, 2, "word", None, samples=40, seed=seed)
        for _, mine in frame.groupby("expert"):
            lists += 1
            beyond += bool((mine["weight"] > mine["chance"]).any())
    assert lists >= 12
    assert beyond <= 0.2 * lists
