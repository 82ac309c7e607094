"""Two runs compared on everything: p-values of runs that are alike, Holm's correction."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import analysis
from analysis import figures
from analysis.comparison import holm
from analysis.errors import AnalysisError
from limoe_core.runs import Predictions


def answers(seed: int, right: float, split: str = "test") -> Predictions:
    rng = np.random.default_rng(seed)
    pictures, concepts = 120, 40
    ranks = np.where(rng.random((2, pictures)) < right, 0, rng.integers(1, 9, (2, pictures)))
    return Predictions(
        data=np.array("words:1"),
        split=np.array(split),
        languages=np.array(["en", "es"]),
        keys=np.array([f"k{i}" for i in range(concepts)]),
        names=np.array([f"n{i}" for i in range(concepts)]),
        picture=np.arange(pictures, dtype=np.int32),
        concept=(np.arange(pictures) % concepts).astype(np.int32),
        style=np.full(pictures, ""),
        category=np.full(pictures, ""),
        ranks=ranks.astype(np.int32),
        top=np.zeros((2, pictures, 5), np.int32),
        similarity=np.zeros((2, pictures, 5), np.float32),
    )


def test_every_outcome_is_listed_and_none_picked() -> None:
    mine = {
        "zero_shot_a": answers(0, 0.6),
        "zero_shot_b": answers(1, 0.4),
        "other": answers(2, 0.5),
    }
    theirs = {"zero_shot_a": answers(3, 0.3), "zero_shot_b": answers(4, 0.4)}
    frame = analysis.compare_accuracies(mine, theirs, samples=300)
    assert len(frame) == 2 * 2 * 2
    assert frame["task"].unique().tolist() == ["zero_shot_a", "zero_shot_b"]
    np.testing.assert_allclose(frame["difference"], frame["value"] - frame["other"])
    assert (frame["p_holm"] >= frame["p"]).all()
    first = frame[(frame["task"] == "zero_shot_a") & (frame["k"] == 1)]
    assert (first["p_holm"] < 0.05).all()
    assert (frame.loc[frame["task"] == "zero_shot_b", "p_holm"] > 0.05).all()


def test_runs_that_are_alike_are_seldom_told_apart() -> None:
    smallest = []
    for i in range(40):
        pair = [{"t": answers(2 * i + place, 0.5)} for place in range(2)]
        smallest.append(analysis.compare_accuracies(*pair, samples=200)["p_holm"].min())
    assert np.mean(np.array(smallest) < 0.05) < 0.15  # 5 % is expected at most


def test_there_is_no_p_where_none_is_asked_for() -> None:
    frame = analysis.compare_accuracies({"a": answers(0, 0.6)}, {"a": answers(1, 0.3)}, samples=0)
    assert not {"p", "p_holm"} & {*frame}
    whole = analysis.compare_accuracies({"a": answers(0, 0.6)}, {"a": answers(1, 0.3)}, samples=9)
    pd.testing.assert_frame_equal(frame, whole[list(frame)])
    (dots,) = figures.differences_figure(frame, "one", "other", ["task", "names", "k"]).data
    assert {*dots.marker.symbol} == {"circle-open"}
    assert "corrected" not in dots.hovertemplate
    with pytest.raises(AnalysisError, match="samples must be a whole number of at least 0"):
        analysis.compare_accuracies({"a": answers(0, 0.6)}, {"a": answers(1, 0.3)}, samples=-1)


def test_other_pictures_are_not_compared() -> None:
    with pytest.raises(AnalysisError, match="no zero-shot task in common"):
        analysis.compare_accuracies({"a": answers(0, 0.5)}, {"a": answers(1, 0.5, "another")})


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_what_the_steps_say(values: list[float]) -> None:
    p = np.array(values)
    found = holm(p)
    order = sorted(range(len(p)), key=lambda i: p[i])
    highest = 0.0
    for step, place in enumerate(order):
        highest = max(highest, min(1.0, p[place] * (len(p) - step)))
        assert found[place] == pytest.approx(highest)


def test_both_answers_to_each_picture() -> None:
    mine, others = answers(0, 0.5), answers(1, 0.5)
    rng = np.random.default_rng(2)
    for each in (mine, others):
        right = each.ranks == 0
        each.top[..., 0] = np.where(right, each.concept, (each.concept + rng.integers(1, 3)) % 40)
    frame = analysis.paired_answers(mine, others, "es")
    for row in frame.to_dict("records"):
        place = row["picture"]
        hits = mine.ranks[1, place] == 0, others.ranks[1, place] == 0
        best = mine.top[1, place, 0], others.top[1, place, 0]
        assert (row["answer_key"], row["other_answer_key"]) == tuple(f"k{n}" for n in best)
        wrong = "wrong alike" if best[0] == best[1] else "wrong apart"
        assert row["answered"] == {
            (True, True): "both right",
            (True, False): "first alone",
            (False, True): "second alone",
        }.get(hits, wrong)
    # What the paired difference counts is what one of the two alone knows.
    counts = frame["answered"].value_counts()
    gained = analysis.accuracy_difference(mine, others, "es").value * len(frame)
    assert counts["first alone"] - counts["second alone"] == pytest.approx(gained)


def test_answers_to_other_pictures_are_not_set_beside_each_other() -> None:
    with pytest.raises(AnalysisError, match="differ in split"):
        analysis.paired_answers(answers(0, 0.5), answers(0, 0.5, "another"))
