from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import top_k_accuracy_score

from limoe_core.evaluation import intervals


def slow_rank(similarity, targets):
    """Place of the best target in a sorted list in which targets lose every tie."""
    order = sorted(range(len(similarity)), key=lambda c: (-similarity[c], c in targets))
    return next(place for place, candidate in enumerate(order) if candidate in targets)


@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(2, 9))
def test_ranks_agree_with_sorting_by_hand(seed, queries, candidates):
    rng = np.random.default_rng(seed)
    similarity = rng.integers(0, 4, size=(queries, candidates)) / 4  # many ties
    targets = [
        set(rng.choice(candidates, size=rng.integers(1, candidates), replace=False).tolist())
        for _ in range(queries)
    ]
    ranks = intervals.target_ranks(similarity, intervals.positives(targets, candidates))
    assert ranks.tolist() == [slow_rank(s, t) for s, t in zip(similarity, targets, strict=True)]
    for k in (1, 3):
        wanted = np.mean(ranks < k)
        assert intervals.topk_accuracy(similarity, targets, k) == wanted


@pytest.mark.parametrize("k", [1, 5])
def test_topk_accuracy_agrees_with_scikit_learn(k):
    rng = np.random.default_rng(k)
    similarity = rng.normal(size=(200, 20))
    target = rng.integers(20, size=200)
    wanted = top_k_accuracy_score(target, similarity, k=k, labels=np.arange(20))
    assert intervals.topk_accuracy(similarity, [{t} for t in target], k) == pytest.approx(wanted)


def test_a_model_that_finds_everything_alike_is_right_about_nothing():
    assert intervals.topk_accuracy(np.ones((4, 6)), [{i} for i in range(4)], k=5) == 0


def test_nan_and_missing_answers_are_refused():
    with pytest.raises(ValueError, match="NaN"):
        intervals.target_ranks(np.array([[np.nan, 1]]), np.array([[True, False]]))
    with pytest.raises(ValueError, match="query 1 has no right answer"):
        intervals.target_ranks(np.ones((2, 2)), np.array([[True, False], [False, False]]))


def test_retrieval_takes_any_of_several_right_answers():
    similarity = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    images, texts = np.array(["cat", "cat", "dog"]), np.array(["cat", "dog"])
    to_text, to_image = intervals.retrieval_ranks(similarity, images, texts)
    assert to_text.tolist() == [0, 1, 0]
    assert to_image.tolist() == [0, 1]  # for "dog", the second cat lies nearer than the dog


@given(st.integers(1, 400), st.floats(0, 1))
def test_wilson_interval_agrees_with_scipy(n, share):
    hits = round(share * n)
    wanted = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert intervals.wilson_interval(hits, n) == pytest.approx((wanted.low, wanted.high), abs=1e-9)


def test_wilson_interval_of_nothing_and_of_nonsense():
    assert intervals.wilson_interval(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError, match="5 hits in 3"):
        intervals.wilson_interval(5, 3)


def test_interval_of_independent_values_is_the_usual_one():
    rng = np.random.default_rng(0)
    values = rng.random(2000) < 0.3
    found = intervals.cluster_estimate(values, np.arange(2000))
    usual = intervals.wilson_interval(int(values.sum()), 2000)
    assert found.value == values.mean()
    assert (found.low, found.high) == pytest.approx(usual, abs=0.004)


def test_copies_of_a_concept_do_not_narrow_the_interval():
    rng = np.random.default_rng(0)
    values = rng.random(100) < 0.4
    once = intervals.cluster_estimate(values, np.arange(100))
    copied = intervals.cluster_estimate(np.repeat(values, 9), np.repeat(np.arange(100), 9))
    assert copied == pytest.approx(once)


def test_cluster_bootstrap_agrees_with_one_drawn_by_hand():
    rng = np.random.default_rng(3)
    clusters = np.repeat(np.arange(40), rng.integers(1, 6, size=40))
    values = (rng.random(40)[clusters] + 0.3 * rng.random(len(clusters))) > 0.6
    members = [values[clusters == c] for c in range(40)]
    means = []
    for _ in range(2000):
        chosen = [members[c] for c in rng.integers(40, size=40)]
        means.append(np.concatenate(chosen).mean())
    found = intervals.cluster_estimate(values, clusters, samples=2000)
    low, high = np.quantile(means, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.1 * (high - low))


@pytest.mark.parametrize("right", [0, 1])
def test_an_interval_never_has_no_width(right):
    found = intervals.cluster_estimate(np.full(30, float(right)), np.repeat(np.arange(10), 3))
    assert found.value == right
    assert found.high - found.low > 0.2  # ten concepts, not thirty pictures
    assert np.isnan(intervals.cluster_estimate(np.zeros(0), np.zeros(0))).all()
