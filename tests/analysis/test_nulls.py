"""Nulls, on made-up tokens whose answer is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import adjusted_mutual_info_score

import analysis
from analysis.nulls import AdjustedInformation, labels_of_other_pairs

LABELS = hnp.arrays(np.int64, st.integers(2, 60), elements=st.integers(0, 9))


@given(LABELS, st.data())
def test_adjusted_information_agrees_with_scikit_learn(labels, data):
    other = data.draw(hnp.arrays(np.int64, len(labels), elements=st.integers(0, 5)))
    found = AdjustedInformation(other)(labels)
    if min(len(set(labels)), len(set(other))) == 1:
        assert found == 0  # where scikit-learn calls two constants alike
    else:
        assert found == pytest.approx(adjusted_mutual_info_score(labels, other), abs=1e-9)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8), st.integers(0, 2**32))
def test_each_pair_takes_the_labels_of_one_other(lengths, seed):
    pair = np.repeat(np.arange(len(lengths)), lengths)
    labels = np.arange(len(pair))  # so that each tells where it is from
    for found in labels_of_other_pairs(labels, pair, 3, seed):
        giver = [set(pair[found[pair == taker]]) for taker in range(len(lengths))]
        assert all(len(one) == 1 for one in giver)
        assert sorted(one.pop() for one in giver) == list(range(len(lengths)))
        for taker in range(len(lengths)):  # none twice before all were taken
            mine = found[pair == taker]
            given_by = lengths[pair[mine[0]]]
            assert len(set(mine)) == min(lengths[taker], given_by)


def sorted_by_pair(trace, seed: int):
    """The trace with a router that sends whole pairs to experts of their own, by no label."""
    chosen = np.random.default_rng(seed).integers(trace.num_experts, size=trace.num_pairs)
    expert = np.broadcast_to(chosen[trace.pair][None, :, None], trace.expert.shape)
    return dataclasses.replace(trace, expert=expert.astype(np.int16))


def test_routers_that_sort_pairs_by_nothing_stay_within_the_null(trace_of):
    seen = []
    for seed in range(16):
        trace = sorted_by_pair(trace_of(seed, pairs=40, layers=1), seed)
        frame = analysis.agreement_with_labels(trace, samples=40, seed=seed)
        row = frame[(frame["modality"] == "image") & (frame["label"] == "category")].iloc[0]
        assert row["pairs"] == 40
        seen.append((row["ami"], row["null"], row["p"]))
    ami, null, p = np.array(seen).T
    # Tokens taken as independent would call each of them an agreement.
    assert ami.mean() > 0.05
    assert abs(ami.mean() - null.mean()) < 0.03
    assert np.count_nonzero(p <= 0.05) <= 4  # about one is expected


def test_a_router_that_sorts_by_the_label_is_far_beyond_it(trace_of):
    trace = trace_of(pairs=40, layers=1)
    category = np.unique(trace.meta["category"], return_inverse=True)[1]
    expert = np.broadcast_to(category[trace.pair][None, :, None], trace.expert.shape)
    routed = dataclasses.replace(trace, expert=expert.astype(np.int16))
    frame = analysis.agreement_with_labels(routed, samples=60).set_index(["modality", "label"])
    row = frame.loc[("image", "category")]
    assert row["ami"] == pytest.approx(1)
    assert row["null_high"] < 0.3
    assert row["p"] == pytest.approx(1 / 61)
    # Each concept has one pair, and to say which pair is to say how it is routed.
    concept = frame.loc[("image", "concept")]
    assert concept["null"] == pytest.approx(concept["ami"])
    assert concept["p"] == 1


def test_without_exchanges_there_is_no_null(trace):
    frame = analysis.agreement_with_labels(trace, samples=0)
    assert frame[["null", "null_high", "p"]].isna().all(axis=None)


def test_shares_of_a_label_of_few_pairs_have_a_null_and_no_interval(trace_of):
    trace = trace_of(pairs=30)
    frame = analysis.expert_preferences(trace, 2, "concept", "image", samples=50)
    assert (frame["pairs"] == 1).all()
    assert frame[["low", "high"]].isna().all(axis=None)
    assert frame[["null_low", "null_high"]].notna().all(axis=None)
    assert (frame["null_low"] < frame["null_high"]).all()


def test_shares_without_a_preference_lie_within_their_null(trace_of):
    outside = []
    for seed in range(10):
        trace = sorted_by_pair(trace_of(seed, pairs=60, layers=1), seed)
        frame = analysis.expert_preferences(trace, 2, "category", "image", samples=200)
        outside += [*((frame["share"] < frame["null_low"]) | (frame["share"] > frame["null_high"]))]
    assert np.mean(outside) < 0.12
