"""Nulls, on made-up tokens whose answer is known."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import adjusted_mutual_info_score

import analysis
from analysis.agreement import ami
from analysis.nulls import (
    AdjustedInformation,
    exchanged_units,
    labels_of_other_pairs,
    table,
    tables_with_other_labels,
)

LABELS = hnp.arrays(np.int64, st.integers(2, 60), elements=st.integers(0, 9))


@given(LABELS, st.data())
def test_adjusted_information_agrees_with_scikit_learn(labels, data):
    other = data.draw(hnp.arrays(np.int64, len(labels), elements=st.integers(0, 5)))
    both = table(labels, other, 10, 6)
    found = AdjustedInformation(both.sum(axis=0))(both)
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


@given(st.integers(0, 2**32))
def test_whole_units_are_exchanged_as_their_tokens_are(seed):
    """Labels that all tokens of a unit share: the fast way gives tables of the same kind."""
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(6), rng.integers(1, 5, size=6))
    of_unit = rng.integers(3, size=6)
    chosen = rng.integers(4, size=(2, len(unit)))
    counts = [[np.bincount(row[unit == u], minlength=4) for u in range(6)] for row in chosen]
    possible = np.array(counts)
    for found in tables_with_other_labels(of_unit[unit], unit, chosen, 4, 5, seed):
        assert found.sum() == 2 * len(unit)
        np.testing.assert_array_equal(found.sum(axis=1), possible.sum(axis=1))
        # Each label has as many units as before: a sum of so many rows of the layers' counts.
        sizes = np.bincount(of_unit, minlength=int(of_unit.max()) + 1)
        for label, size in enumerate(sizes):
            sums = {
                tuple(possible[:, list(some)].sum(axis=1).reshape(-1))
                for some in itertools.combinations(range(6), size)
            }
            assert tuple(found[:, label].reshape(-1)) in sums


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


def of_concepts(trace, pairs_each: int, categories: int):
    """The trace with several pairs of each concept, and concepts that have a category."""
    concept = np.arange(trace.num_pairs) // pairs_each
    meta = {"concept": concept.astype(str), "category": (concept % categories).astype(str)}
    return dataclasses.replace(trace, meta=meta)


def test_the_null_of_a_category_is_of_other_concepts(trace_of):
    """Pairs of a concept look alike and share its category: that is no agreement with it."""
    trace = of_concepts(trace_of(pairs=48, layers=1), 4, 3)
    rng = np.random.default_rng(0)
    chosen = rng.integers(trace.num_experts, size=12)[trace.pair // 4]
    expert = np.broadcast_to(chosen[None, :, None], trace.expert.shape).astype(np.int16)
    trace = dataclasses.replace(trace, expert=expert)
    image = trace.modality == 0
    values, shares = [], []
    for _ in range(200):
        category = rng.permutation(np.arange(12) % 3)[trace.pair // 4][image]
        values.append(ami(chosen[image], category))
        shares.append(np.mean(chosen[image][category == 0] == 1))
    frame = analysis.agreement_with_labels(trace, samples=40)
    row = frame[(frame["modality"] == "image") & (frame["label"] == "category")].iloc[0]
    assert row["null"] == pytest.approx(np.mean(values), abs=0.05)  # of other pairs: 0.02
    assert np.mean(values) > 0.15
    frame = analysis.expert_preferences(trace, 2, "category", "image", samples=200)
    row = frame[(frame["value"] == "0") & (frame["expert"] == 1)].iloc[0]
    wanted = np.quantile(shares, [0.025, 0.975])
    np.testing.assert_allclose([row["null_low"], row["null_high"]], wanted, atol=0.01)


def test_labels_are_exchanged_between_those_that_have_them(trace_of):
    trace = of_concepts(trace_of(pairs=12), 3, 2)
    every = np.ones(trace.num_tokens, bool)
    concept = trace.pair // 3
    assert np.array_equal(exchanged_units(trace, every, concept % 2), concept)  # a category
    assert np.array_equal(exchanged_units(trace, every, trace.pair % 2), trace.pair)  # a language
    assert np.array_equal(exchanged_units(trace, every, concept), trace.pair)  # the concept itself
    word = 3 * concept + np.arange(trace.num_tokens) % 3
    assert np.array_equal(exchanged_units(trace, every, word), concept)  # several in a pair
    nameless = {"concept": np.where(np.arange(12) < 6, "", trace.meta["concept"])}
    units = exchanged_units(dataclasses.replace(trace, meta=nameless), every, concept % 2)
    assert len(np.unique(units)) == 6 + 2
    unknown = dataclasses.replace(trace, meta={})
    assert np.array_equal(exchanged_units(unknown, every, concept % 2), trace.pair)


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
