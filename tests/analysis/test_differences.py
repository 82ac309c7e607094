"""Differences of two runs, against plain loops and made-up truths."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ttest_1samp

import analysis
from analysis import figures
from analysis.errors import AnalysisError
from tests.analysis.conftest import make_trace

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


# ---- the figure


def test_what_is_told_from_chance_is_full_and_zero_is_in_view() -> None:
    found = analysis.routing_differences(make_trace(0), make_trace(1))
    found["difference"] += 5.0
    found[["low", "high"]] += 5.0
    found["p_holm"] = [0.5, *[0.001] * (len(found) - 1)]
    figure = figures.differences_figure(found, "a<b>", "c", ["layer", "measure", "modality"])
    (dots,) = figure.data
    assert dots.marker.symbol[:2] == ("circle-open", "circle")
    low, high = figure.layout.xaxis.range
    assert low < 0 < high
    assert "a&lt;b&gt;" in figure.layout.xaxis.title.text
    with pytest.raises(AnalysisError, match="nothing that both have"):
        figures.differences_figure(found[:0], "a", "b", ["layer"])
