"""Slices against plain loops."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import analysis
from analysis.errors import AnalysisError
from limoe_core.runs.predictions import Predictions
from limoe_core.trace import RoutingTrace
from tests.analysis.conftest import make_trace


def test_a_slice_has_the_pairs_for_which_every_condition_holds() -> None:
    trace = make_trace(4, pairs=12)
    where = {
        "category": ["Flags", "Food & Drink"],
        "language": ["en", "es"],
        "pair": list(range(11)),
    }
    wanted = [
        pair
        for pair in range(11)
        if trace.meta["category"][pair] in where["category"]
        and trace.meta["language"][pair] in where["language"]
    ]
    assert wanted
    assert analysis.slice_pairs(trace, where) == wanted
    assert analysis.slice_trace(trace, where) == trace.select(wanted)
    points = analysis.pair_points(trace)
    places = analysis.slice_points(points, where)
    assert places == [*wanted, *(12 + pair for pair in wanted)]


def test_a_slice_by_expert_is_of_pairs_that_mostly_choose_it() -> None:
    trace = make_trace(5, pairs=10, hidden=True)
    wanted = []
    for pair in range(10):
        for code in (0, 1):
            mine = (trace.pair == pair) & (trace.modality == code)
            counts = Counter(trace.expert[1, mine, 0].tolist())
            if min(counts, key=lambda e: (-counts[e], e)) == 2:
                wanted.append(pair)
    where = {"block 4": ["2"]}
    assert analysis.slice_pairs(trace, where) == sorted(set(wanted))
    tokens = analysis.slice_points(analysis.token_points(trace, 2), where)
    assert tokens == np.flatnonzero(np.isin(trace.pair, wanted)).tolist()


def test_pictures_are_named_by_concept_and_style() -> None:
    trace = make_trace(pairs=4)
    trace.meta["style"] = np.array(["noto", "twemoji", "noto", "noto"])
    assert analysis.slice_pairs(trace, {"picture": ["concept1.twemoji", "concept2.twemoji"]}) == [1]


@given(st.lists(st.integers(0, 7), min_size=1, max_size=4), st.integers(0, 3))
def test_a_slice_of_all_steps_has_the_pairs_of_the_last(pairs: list[int], expert: int) -> None:
    traces = {step: make_trace(step, pairs=8) for step in (3, 0, 9)}
    where: dict[str, list[str | int]] = {"pair": list(pairs), "block 4": [expert]}
    wanted = analysis.slice_pairs(traces[9], where)
    if not wanted:
        with pytest.raises(AnalysisError, match="no pair of these traces"):
            analysis.slice_traces(traces, where)
        return
    found = analysis.slice_traces(traces, where)
    assert found == {step: trace.select(wanted) for step, trace in traces.items()}


def test_steps_of_other_pairs_have_no_slice_in_common() -> None:
    with pytest.raises(AnalysisError, match="steps 0 and 1 are of different pairs"):
        analysis.slice_traces({0: make_trace(pairs=4), 1: make_trace(pairs=5)}, {"pair": [1]})


def styled(trace: RoutingTrace) -> RoutingTrace:
    trace.meta["style"] = np.array(["noto", "twemoji"])[np.arange(trace.num_pairs) % 2]
    return trace


def test_a_slice_is_of_the_same_pairs_in_another_trace_of_them() -> None:
    one, other = make_trace(1, pairs=9), make_trace(2, pairs=9)
    where = {"block 4": [2], "language": ["en", "es"]}
    there = analysis.slice_elsewhere(one, where, other)
    assert analysis.slice_pairs(other, there) == analysis.slice_pairs(one, where)


def test_a_slice_is_of_the_same_pictures_among_other_pairs() -> None:
    one = styled(make_trace(1, pairs=9))
    other = one.select([8, 2, 5, 0])  # numbers and order of its own
    there = analysis.slice_elsewhere(one, {"pair": [0, 1, 2], "language": ["en", "es"]}, other)
    wanted = [pair for pair in (0, 2) if one.meta["language"][pair] in ("en", "es")]
    found = analysis.slice_pairs(other, there)
    assert sorted([8, 2, 5, 0][pair] for pair in found) == wanted
    free = {"category": ["Flags"]}
    assert analysis.slice_elsewhere(one, free, other) == free
    with pytest.raises(AnalysisError, match="would name them in another"):
        analysis.slice_elsewhere(make_trace(1, pairs=9), {"pair": [1]}, other)


def test_what_is_not_known() -> None:
    trace = make_trace()
    with pytest.raises(AnalysisError, match="of style, of which nothing is known"):
        analysis.slice_pairs(trace, {"style": ["noto"]})
    with pytest.raises(AnalysisError, match="no pair of this trace"):
        analysis.slice_trace(trace, {"category": ["Objects"]})


def some_predictions() -> Predictions:
    rng = np.random.default_rng(0)
    return Predictions(
        data=np.array("emoji"),
        split=np.array("validation"),
        languages=np.array(["en", "es"]),
        keys=np.array(["A", "B", "C"]),
        names=np.array(["a", "b", "c"]),
        picture=np.arange(30),
        concept=np.arange(30) % 3,
        style=np.array(["noto", "fluent"])[np.arange(30) % 2],
        category=np.array(["x", "y", "x"])[np.arange(30) % 3],
        ranks=rng.integers(0, 3, (2, 30)),
        top=rng.integers(0, 3, (2, 30, 2)),
        similarity=rng.uniform(-1, 1, (2, 30, 2)),
        categories=np.array(["x", "y", "x"]),
    )


def test_answers_of_a_slice_and_their_accuracy() -> None:
    whole = some_predictions()
    part = analysis.slice_predictions(whole, {"category": ["x"], "style": ["noto"]})
    kept = [i for i in range(30) if whole.category[i] == "x" and whole.style[i] == "noto"]
    assert part.picture.tolist() == kept
    frame = analysis.accuracy_of_answers(part, ks=[1, 2])
    for row in frame.to_dict("records"):
        language = ["en", "es"].index(row["language"])
        hits = [whole.ranks[language, i] < row["k"] for i in kept]
        assert row["accuracy"] == pytest.approx(sum(hits) / len(hits))
        assert row["low"] <= row["accuracy"] <= row["high"]
        assert (row["pictures"], row["concepts"]) == (len(kept), 2)
    with pytest.raises(AnalysisError, match="of pair"):
        analysis.slice_predictions(whole, {"pair": [1]})


def test_the_gap_of_a_slice_is_that_of_its_pairs() -> None:
    trace = make_trace(1, pairs=20)
    where = {"pair": list(range(3, 17))}
    frame = analysis.points_gap(analysis.pair_points(trace), where=where)
    wanted = analysis.modality_gap(
        trace.image_embeddings[3:17],
        trace.text_embeddings[3:17],
        concepts=trace.meta["concept"][3:17].tolist(),
    )
    assert frame.equals(wanted)
