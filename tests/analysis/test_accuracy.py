from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

import analysis
from analysis import figures
from limoe_core.evaluation.retrieval import retrieval_result
from limoe_core.evaluation.scoring import zero_shot, zero_shot_result
from limoe_core.runs.predictions import Predictions

LANGUAGES = ("en", "ru")


@pytest.fixture
def answered():
    """A classification of 60 pictures of 12 concepts in two languages, by made-up embeddings."""
    rng = np.random.default_rng(0)
    concept = rng.integers(12, size=60)
    category = np.array(["Food", "Flags", "Animals"])[concept % 3]
    style = np.array(["pen", "ink"])[rng.integers(2, size=60)]
    texts = {language: rng.normal(size=(12, 8)) for language in LANGUAGES}
    images = texts["en"][concept] + rng.normal(size=(60, 8))
    names = {language: np.array([f"{language} {i}" for i in range(12)]) for language in LANGUAGES}
    answers = {
        language: zero_shot(images, concept, texts[language], np.arange(12), names[language])
        for language in LANGUAGES
    }
    groups = {"categories": category, "styles": style}
    result = zero_shot_result(answers, concept, groups, seed=0)
    common = {"split": "test_style", "data": "words/small:1.0.0"}
    stored = {
        "zero_shot_test_style": {**common, "n": 60, "concepts": 12, "ways": 12, **result},
        "retrieval_test_style": {
            **common,
            "n": 60,
            **retrieval_result(images, concept, names, texts, seed=0),
        },
    }
    predictions = Predictions(
        data=np.array("words/small:1.0.0"),
        split=np.array("test_style"),
        languages=np.array(LANGUAGES),
        keys=np.array([f"1F{i:02}" for i in range(12)]),
        names=names["en"],
        picture=np.arange(60),
        concept=concept,
        style=style,
        category=category,
        ranks=np.stack([answers[language].ranks for language in LANGUAGES]),
        top=np.stack([answers[language].top for language in LANGUAGES]),
        similarity=np.stack([answers[language].similarity for language in LANGUAGES]),
        categories=np.array(["Food", "Flags", "Animals"] * 4),
    )
    return stored, predictions


class EvaluatedRun:
    def __init__(self, stored, steps=(100,)):
        self.stored = {task: {str(s): r for s in steps} for task, r in stored.items()}

    def evaluations(self):
        return self.stored


def test_every_accuracy_of_the_frame_is_the_share_of_right_answers(answered):
    stored, predictions = answered
    frame = analysis.accuracy_frame(EvaluatedRun(stored, (100, 20)), step=100)
    assert set(frame["step"]) == {100}
    for row in frame.itertuples():
        hit = predictions.ranks < row.k
        mask = np.ones(60, bool)
        if row.group.startswith("category"):
            mask = predictions.category == row.name
        elif row.group.startswith("style"):
            mask = predictions.style == row.name
        language = LANGUAGES.index(row.name) if row.group == "language" else 0
        hit = hit.mean(0) if "mean over languages" in row.group else hit[language]
        assert row.value == pytest.approx(hit[mask].mean()), row
        assert row.low <= row.value <= row.high
        assert row.n == mask.sum()
        assert (row.ways, row.chance) == (12, pytest.approx(row.k / 12))
    groups = set(frame["group"])
    assert {"headline", "language", "category", "style", "mean over languages"} <= groups
    assert list(analysis.accuracy_frame(EvaluatedRun(stored, (20, 100)))["step"].unique()) == [
        20,
        100,
    ]


def test_retrieval_has_both_directions_in_every_language(answered):
    frame = analysis.retrieval_frame(EvaluatedRun(answered[0]))
    assert len(frame) == 2 * 2 * 3
    assert set(frame["direction"]) == {"image to text", "text to image"}
    assert (frame["images"] == 60).all()
    by_k = frame.pivot(index=["language", "direction"], columns="k", values="value")
    assert (by_k[1] <= by_k[5]).all()
    assert (by_k[5] <= by_k[10]).all()


def test_answers_and_confusions_count_every_wrong_picture_once(answered):
    predictions = answered[1]
    for row, language in enumerate(LANGUAGES):
        answers = analysis.answers_frame(predictions, language)
        assert answers["right"].tolist() == (predictions.ranks[row] == 0).tolist()
        assert (answers["answer"] == answers["concept"]).tolist() == answers["right"].tolist()
        wrong = analysis.confusions(predictions, language)
        assert wrong["count"].sum() == (~answers["right"]).sum()
        listed = [int(p) for pictures in wrong["pictures"] for p in pictures.split(", ")]
        assert sorted(listed) == answers.loc[~answers["right"], "picture"].tolist()
        first = wrong.iloc[0]
        assert first["total"] == (answers["key"] == first["key"]).sum()
        assert first["count"] == wrong["count"].max()
    with pytest.raises(analysis.AnalysisError, match="'xx'"):
        analysis.answers_frame(predictions, "xx")


def test_confusions_of_a_category_are_those_of_its_pictures(answered):
    predictions = answered[1]
    answers = analysis.answers_frame(predictions)
    parts = []
    for category in sorted(set(map(str, predictions.category))):
        found = analysis.confusions(predictions, None, category)
        mine = answers[(answers["category"] == category) & ~answers["right"]]
        assert found["count"].sum() == len(mine)
        assert set(found["key"]) == set(mine["key"])
        parts.append(found)
    whole = analysis.confusions(predictions)
    joined = pd.concat(parts).sort_values(
        ["count", "concept", "answer"], ascending=[False, True, True], ignore_index=True
    )
    pd.testing.assert_frame_equal(joined, whole)


def test_category_confusions_share_out_each_category(answered):
    predictions = answered[1]
    frame = analysis.category_confusions(predictions)
    assert frame["count"].sum() == 60
    assert frame.groupby("category")["share"].sum().to_numpy() == pytest.approx(1)
    best = predictions.top[0][:, 0]
    wanted = np.mean((best % 3 == 0)[predictions.category == "Food"])
    found = frame.query("category == 'Food' and answer_category == 'Food'")["share"]
    assert found.item() == pytest.approx(wanted)
    figure = figures.confusion_figure(frame)
    place = list(figure.data[0].y).index("Food"), list(figure.data[0].x).index("Food")
    assert figure.data[0].z[place[0]][place[1]] == pytest.approx(wanted)


def test_a_difference_pairs_the_same_pictures(answered):
    predictions = answered[1]
    rng = np.random.default_rng(1)
    others = dataclasses.replace(predictions, ranks=rng.permuted(predictions.ranks, axis=1))
    found = analysis.accuracy_difference(predictions, others, "ru", k=3)
    gained = [
        (ours < 3) - int(theirs < 3)
        for ours, theirs in zip(predictions.ranks[1], others.ranks[1], strict=True)
    ]
    assert found.value == pytest.approx(sum(gained) / 60)
    assert found.low < found.value < found.high
    mean = analysis.accuracy_difference(predictions, others)
    each = [analysis.accuracy_difference(predictions, others, name).value for name in LANGUAGES]
    assert mean.value == pytest.approx(np.mean(each))
    turned = analysis.accuracy_difference(others, predictions, "ru", k=3)
    assert (turned.value, turned.low) == pytest.approx((-found.value, -found.high))


def test_a_difference_of_a_run_with_itself_is_nothing(answered):
    predictions = answered[1]
    found = analysis.accuracy_difference(predictions, predictions)
    assert found.value == 0
    assert -found.low == found.high > 0


def test_different_questions_are_not_compared(answered):
    predictions = answered[1]
    others = dataclasses.replace(predictions, split=np.array("test_concept"))
    with pytest.raises(analysis.AnalysisError, match="differ in split"):
        analysis.accuracy_difference(predictions, others)


def test_accuracy_figures_show_a_run_beside_its_twin(answered):
    frame = analysis.accuracy_frame(EvaluatedRun(answered[0]))
    runs = {"limoe": frame, "<dense>": frame.assign(value=0.1, low=0.05, high=0.2)}
    figure = figures.accuracy_figure(runs, "zero_shot_test_style", "category")
    shown = {trace.name: trace for trace in figure.data}
    assert {"limoe", "&lt;dense&gt;"} <= set(shown)
    mine = frame.query("group == 'category' and k == 1").set_index("name")["value"]
    assert dict(zip(shown["limoe"].y, shown["limoe"].x, strict=True)) == mine.to_dict()
    assert shown["limoe"].marker.symbol != shown["&lt;dense&gt;"].marker.symbol
    tasks = figures.tasks_figure(runs)
    assert [bars.name for bars in tasks.data] == [
        f"{run}, {group}"
        for run in ("limoe", "&lt;dense&gt;")
        for group in ("headline", "mean over languages")
    ]
    assert all(bars.orientation == "h" for bars in tasks.data)  # names of many tasks have room
    english = {"limoe": frame[(frame["group"] != "language") | (frame["name"] == "en")]}
    assert [bars.name for bars in figures.tasks_figure(english).data] == ["limoe, headline"]
    with pytest.raises(analysis.AnalysisError, match="zero_shot_none"):
        figures.accuracy_figure(runs, "zero_shot_none")
    empty = EvaluatedRun({})
    assert analysis.accuracy_frame(empty).empty
    assert analysis.retrieval_frame(empty).empty
