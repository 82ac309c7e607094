"""Differences of two runs, against plain loops and made-up truths."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

import analysis
from analysis import figures
from analysis.differences import holm, sign_test
from analysis.errors import AnalysisError
from limoe_core.runs import Predictions
from tests.analysis.conftest import make_trace


@given(st.lists(st.floats(0, 1) | st.just(np.nan), max_size=12))
def test_holm_is_the_step_down_rule(values: list[float]) -> None:
    p = np.array(values)
    found = holm(p)
    known = [value for value in values if value == value]
    for level in (0.01, 0.05, 0.2):
        told = set()
        for place, value in enumerate(sorted(known)):  # the rule as it is told in words
            if value > level / (len(known) - place):
                break
            told.add(value)
        near = np.abs(found - level) < 1e-12
        assert all(
            (found[i] <= level) == (p[i] in told)
            for i in range(len(p))
            if p[i] == p[i] and not near[i]
        )
    assert np.array_equal(np.isnan(found), np.isnan(p))
    assert np.all(found[~np.isnan(p)] >= p[~np.isnan(p)])


# ---- routing


def test_a_mean_over_pairs_of_equal_size_is_compared_by_the_t_test() -> None:
    one, other = make_trace(0, pairs=9), make_trace(1, pairs=9)
    found = analysis.routing_differences(one, other)
    row = found.query("layer == 2 and measure == 'token entropy' and modality == 'image'").iloc[0]
    tokens = [
        analysis.to_frame(each).query("layer == 2 and modality == 'image' and choice == 0")
        for each in (one, other)
    ]
    entropy = [each.groupby("pair")["entropy"].mean() for each in tokens]
    truth = ttest_1samp(entropy[0] - entropy[1], 0)
    interval = truth.confidence_interval()
    assert row["difference"] == pytest.approx((entropy[0] - entropy[1]).mean())
    assert row["p"] == pytest.approx(truth.pvalue)
    assert (row["low"], row["high"]) == pytest.approx(tuple(interval))
    assert row["paired"]


def test_a_run_does_not_differ_from_itself() -> None:
    trace = make_trace(0)
    found = analysis.routing_differences(trace, trace)
    assert len(found) == 2 * 5
    assert (found["difference"] == 0).all() and (found["p_holm"] == 1).all()


def test_one_less_the_other_is_the_other_less_one_turned_round() -> None:
    one, other = make_trace(0), make_trace(1)
    forth, back = analysis.routing_differences(one, other), analysis.routing_differences(other, one)
    assert np.allclose(forth["difference"], -back["difference"])
    assert np.allclose(forth["low"], -back["high"])
    assert np.allclose(forth["p"], back["p"])


def test_other_pairs_are_not_paired_and_less_is_known() -> None:
    rng = np.random.default_rng(0)
    one = make_trace(0, pairs=30)
    # The same with a little more entropy everywhere: pairs differ more than the two traces do.
    flat = 0.9 * one.probs + 0.1 / one.num_experts
    other = replace(one, probs=flat, dropped=rng.random(one.dropped.shape) < 0.1)
    paired = analysis.routing_differences(one, other).query("measure == 'token entropy'")
    captions = np.array([f"another {n}" for n in range(one.num_pairs)])
    loose = analysis.routing_differences(one, replace(other, captions=captions))
    loose = loose.query("measure == 'token entropy'")
    assert not loose["paired"].any()
    assert np.allclose(loose["difference"], paired["difference"])
    assert ((loose["high"] - loose["low"]) > (paired["high"] - paired["low"])).all()


def test_only_layers_that_both_have_are_compared() -> None:
    one, other = make_trace(0), make_trace(1)
    shifted = replace(other, layers=other.layers + 2)
    assert set(analysis.routing_differences(one, shifted)["layer"]) == {4}
    with pytest.raises(AnalysisError, match="no block with experts in common: 2, 4 and 12, 14"):
        analysis.routing_differences(one, replace(other, layers=other.layers + 10))
    with pytest.raises(AnalysisError, match="at least two pairs"):
        analysis.routing_differences(one.select([0]), other)


# ---- accuracy


class Answered:
    """A run of which only answers to one task are there."""

    def __init__(self, predictions: Predictions | None) -> None:
        self._predictions = predictions

    def evaluations(self) -> dict[str, dict[str, Any]]:
        return {"zero_shot_test": {"5": {}}, "retrieval_test": {"5": {}}}

    def has(self, part: str, step: int | None = None, task: str = "") -> bool:
        return self._predictions is not None and step == 5

    def predictions(self, task: str, step: int) -> Predictions:
        assert self._predictions is not None
        return self._predictions


def answers(seed: int, share: float, pictures: int = 200, concepts: int = 50) -> Predictions:
    rng = np.random.default_rng(seed)
    wrong = rng.random((2, pictures)) > share
    concept = np.arange(pictures) % concepts
    nothing = np.zeros((2, pictures, 1))
    return Predictions(
        data=np.array("set:1.0.0"),
        split=np.array("test"),
        languages=np.array(["en", "de"]),
        keys=np.array([str(n) for n in range(concepts)]),
        names=np.array([f"name {n}" for n in range(concepts)]),
        picture=np.arange(pictures),
        concept=concept,
        style=np.full(pictures, "photo"),
        category=np.full(pictures, "things"),
        ranks=np.where(wrong, 9, 0),
        top=nothing.astype(int),
        similarity=nothing.astype(np.float32),
        categories=np.full(concepts, "things"),
    )


def test_answers_to_the_same_pictures_are_compared_task_by_task() -> None:
    good, bad = answers(0, 0.9), answers(1, 0.3)
    found = analysis.accuracy_differences(Answered(good), 5, Answered(bad), 5)
    assert found["language"].tolist() == ["en", "en", "mean", "mean"]
    first = found.iloc[0]
    estimate = analysis.accuracy_difference(good, bad, "en", 1)
    assert (first["difference"], first["low"], first["high"]) == pytest.approx(tuple(estimate))
    assert first["value"] - first["other"] == pytest.approx(first["difference"])
    assert (found["p_holm"] < 0.05).all()


def test_answers_that_nobody_gave_or_to_other_pictures_are_left_out() -> None:
    one = answers(0, 0.5)
    moved = replace(one, picture=one.picture + 1)
    for other in (Answered(None), Answered(moved)):
        assert analysis.accuracy_differences(Answered(one), 5, other, 5).empty
    assert analysis.accuracy_differences(Answered(one), 6, Answered(one), 5).empty


def test_the_sign_test_keeps_its_level() -> None:
    """Of two models that are alike, one in twenty looks has p below 0.05, clusters and all."""
    rng = np.random.default_rng(0)
    cluster = np.repeat(np.arange(40), 5)
    found = []
    for _ in range(300):
        base = np.repeat(rng.random(40), 5)  # pictures of one concept are alike
        one, other = (rng.random((1, 200)) < base for _ in range(2))
        found.append(sign_test(one, other, cluster, flips=199))
    assert np.mean(np.array(found) < 0.05) < 0.09
    assert np.mean(np.array(found) < 0.5) == pytest.approx(0.5, abs=0.12)
    same = rng.random((1, 200)) < 0.5
    assert sign_test(same, same, cluster) == 1.0


# ---- the figure


def test_what_is_told_from_chance_is_full_and_zero_is_in_view() -> None:
    found = analysis.accuracy_differences(
        Answered(answers(0, 0.9)), 5, Answered(answers(1, 0.3)), 5
    )
    found.loc[0, "p_holm"] = 0.5
    figure = figures.differences_figure(found, "a<b>", "c", ["task", "language", "k"], percent=True)
    (dots,) = figure.data
    assert dots.marker.symbol[:2] == ("circle-open", "circle")
    low, high = figure.layout.xaxis.range
    assert low < 0 < high
    assert "a&lt;b&gt;" in figure.layout.xaxis.title.text
    with pytest.raises(AnalysisError, match="nothing that both have"):
        figures.differences_figure(found[:0], "a", "b", ["task"])
