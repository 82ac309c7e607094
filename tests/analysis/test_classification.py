"""Classification by typed labels, against plain loops."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.classification import (
    classification_frame,
    classify,
    embed_pictures,
    embed_texts,
    nearest,
    nearest_frame,
    probabilities,
    prompts,
    read_as_one,
    right_first,
    told_apart,
)
from analysis.errors import AnalysisError
from analysis.figures.classification import classification_figure, similarity_figure
from limoe_core.tokenizer import Tokenizer


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    vectors = rng.normal(size=shape)
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


@given(st.integers(0, 1000), st.integers(1, 4), st.integers(1, 7), st.floats(0.01, 1.0))
def test_probabilities_are_a_softmax_by_hand(
    seed: int, pictures: int, labels: int, temperature: float
) -> None:
    similarity = np.random.default_rng(seed).uniform(-1, 1, (pictures, labels))
    found = probabilities(similarity, temperature)
    for row in range(pictures):
        total = sum(math.exp(value / temperature) for value in similarity[row])
        for column in range(labels):
            wanted = math.exp(similarity[row, column] / temperature) / total
            assert found[row, column] == pytest.approx(wanted, abs=1e-9)


def test_rows_are_sorted_and_sum_to_one() -> None:
    rng = np.random.default_rng(0)
    images, texts = unit(rng, 3, 8), unit(rng, 5, 8)
    labels = list("abcde")
    frame = classification_frame(
        images, texts, 0.07, names=["x", "y", "z"], labels=labels, texts=[f"a {c}" for c in labels]
    )
    assert len(frame) == 15
    for number, mine in frame.groupby("picture"):
        assert mine["rank"].tolist() == [1, 2, 3, 4, 5]
        assert mine["probability"].is_monotonic_decreasing
        assert mine["probability"].sum() == pytest.approx(1)
        best = max(range(5), key=lambda j, i=number: float(images[i] @ texts[j]))
        assert mine["label"].iloc[0] == labels[best]
        assert mine["text"].iloc[0] == f"a {labels[best]}"
        assert mine["similarity"].iloc[0] == pytest.approx(float(images[number] @ texts[best]))


def test_labels_go_where_the_template_says() -> None:
    assert prompts(["Hund", "{}"], "ein {}, gemalt") == ["ein Hund, gemalt", "ein {}, gemalt"]


@pytest.mark.parametrize(
    ("labels", "template", "sentence"),
    [
        ([], "{}", "at least one label"),
        (["a", "b", "a"], "{}", "'a' is given twice"),
        (["a"], "a picture", "must hold {} once"),
        (["a"], "{} and {}", "must hold {} once"),
    ],
)
def test_what_cannot_be_classified_is_said(labels: list[str], template: str, sentence: str) -> None:
    with pytest.raises(AnalysisError, match=sentence.replace("{", r"\{").replace("}", r"\}")):
        prompts(labels, template)


@given(st.integers(0, 1000), st.integers(1, 30), st.integers(1, 40))
def test_the_nearest_are_those_of_a_plain_sort(seed: int, candidates: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    query, others = unit(rng, 6), unit(rng, candidates, 6)
    best, similarity = nearest(query, others, count)
    plain = [float(np.dot(query.astype(float), other.astype(float))) for other in others]
    wanted = sorted(range(candidates), key=lambda i: -plain[i])[:count]
    assert best.tolist() == wanted
    assert similarity == pytest.approx([plain[i] for i in wanted])


def test_the_nearest_keep_what_is_known_of_them() -> None:
    rng = np.random.default_rng(2)
    query, others = unit(rng, 5), unit(rng, 9, 5)
    known = pd.DataFrame({"name": [f"text {i}" for i in range(9)]})
    frame = nearest_frame(query, others, known, 4)
    best, similarity = nearest(query, others, 4)
    assert frame.columns.tolist() == ["rank", "name", "similarity"]
    assert frame.index.tolist() == best.tolist()
    assert frame["name"].tolist() == [f"text {i}" for i in best]
    assert frame["rank"].tolist() == [1, 2, 3, 4]
    assert frame["similarity"].tolist() == similarity.tolist()


class Portions:
    """Embeds a picture or a text as its own number, and notes how many come at once."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        self.sizes += [len(texts)] if texts else []
        return np.array([[float(text or -1)] for text in texts]).reshape(-1, 1)

    encode_images = encode_texts


@given(st.integers(0, 40), st.integers(1, 17))
def test_texts_are_embedded_in_order_in_portions_of_one_size(count: int, portion: int) -> None:
    model, texts = Portions(), [str(i) for i in range(count)]
    found = embed_texts(model, texts, portion=portion)  # type: ignore[arg-type]
    assert found[:, 0].tolist() == list(range(count))
    assert set(model.sizes) <= {portion}


@given(st.integers(0, 20), st.integers(1, 7))
def test_pictures_are_embedded_in_order(count: int, portion: int) -> None:
    model, told = Portions(), []
    pictures = list(range(1, count + 1))
    found = embed_pictures(
        model,  # type: ignore[arg-type]
        pictures,
        portion=portion,
        progress=lambda *done: told.append(done),
    )
    assert found[:, 0].tolist() == pictures
    assert sum(model.sizes) == count
    assert told == [(start, count) for start in range(0, count, portion)]


def frame_of(labels: list[str]):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(1)
    return classification_frame(
        unit(rng, 1, 8), unit(rng, len(labels), 8), 0.1, names=["x"], labels=labels, texts=labels
    )


def test_markup_in_labels_is_drawn_as_text() -> None:
    figure = classification_figure(frame_of(["<b>bold</b>", "<a href='x'>link</a>"]))
    written = " ".join(figure.layout.yaxis.ticktext)
    assert "&lt;b&gt;bold&lt;/b&gt;" in written
    assert "<" not in written
    assert all("<b>" not in text and "<a" not in text for text in figure.data[0].customdata)


def test_long_labels_that_look_alike_keep_bars_of_their_own() -> None:
    figure = classification_figure(frame_of(["x" * 100 + "1", "x" * 100 + "2"]))
    assert len(set(figure.data[0].y)) == 2


def test_the_other_labels_are_summed_up() -> None:
    frame = frame_of([f"label {i}" for i in range(20)])
    figure = classification_figure(frame, count=8)
    assert len(figure.data[0].x) == 9
    assert sum(figure.data[0].x) == pytest.approx(1)
    assert figure.layout.yaxis.ticktext[-1] == "12 other labels"


def test_a_single_label_left_over_is_drawn_itself() -> None:
    figure = classification_figure(frame_of([f"label {i}" for i in range(9)]), count=8)
    assert len(figure.data[0].x) == 9
    assert not any("other" in text for text in figure.layout.yaxis.ticktext)


def test_negative_similarities_have_room() -> None:
    frame = frame_of(["a", "b"]).assign(similarity=[0.2, -0.6])
    low, high = similarity_figure(frame, label="label").layout.xaxis.range
    assert low < -0.6
    assert high > 0.2


@pytest.mark.usefixtures("unchecked_shapes")
def test_labels_that_read_the_same_are_told_apart_from_others() -> None:
    model: Any = SimpleNamespace(
        tokenizer=Tokenizer.train(["a red apple", "the big dog", "a cat"], 272),
        config=SimpleNamespace(model=SimpleNamespace(text_length=12)),
    )
    labels = ["Apple", "dog", "apple", "\ufeffdog", "cat", "dog\u00a0"]
    assert read_as_one(model, labels) == {2: 0, 3: 1, 5: 1}
    assert told_apart(model, labels, "a {}") == ["Apple", "dog", "cat"]
    with pytest.raises(AnalysisError, match="'Apple' and 'apple' read the same to this model"):
        classify(model, [], labels)
    with pytest.raises(AnalysisError, match="not the text 'dog'"):
        prompts("dog")
    with pytest.raises(TypeError, match=r"for a single one give \[picture\]"):
        classify(model, np.zeros((8, 8, 3), np.uint8), ["dog", "cat"])
    with pytest.raises(TypeError, match=r"for a single one give \['dog'\]"):
        embed_texts(model, "dog")


def test_each_bar_has_its_chance_and_the_sum_of_others_theirs() -> None:
    frame = frame_of([f"label {i}" for i in range(20)])
    assert frame["chance"].tolist() == pytest.approx([1 / 20] * 20)
    bars, marks = classification_figure(frame, count=8).data
    assert list(marks.x) == pytest.approx([1 / 20] * 8 + [12 / 20])
    assert [round(y) for y in marks.y] == list(bars.y)  # a little below, beside the numbers


def test_no_bar_without_a_name_stands_in_a_legend() -> None:
    figure = classification_figure(frame_of(["a", "b"]))
    assert not any(trace.showlegend is not False for trace in figure.data)


def test_right_names_are_counted_beside_a_model_without_eyes() -> None:
    rng = np.random.default_rng(0)
    labels = ["dog", "Cat", "bird"]
    frame = classification_frame(
        unit(rng, 6, 8),
        unit(rng, 3, 8),
        0.1,
        names=[str(i) for i in range(6)],
        labels=labels,
        texts=labels,
    )
    answers = [str(answer).casefold() for answer in frame.loc[frame["rank"] == 1, "label"]]
    names = ["dog", "cat", "", "bird", "nothing of these", "DOG"]
    row = right_first(frame, names).iloc[0]
    asked = [0, 1, 3, 5]
    assert row["pictures"] == 4
    assert row["right"] == sum(answers[i] == names[i].casefold() for i in asked)
    exchanged = [
        np.mean([answers[j] == names[i].casefold() for j in asked]) for i in asked
    ]  # every picture with every answer
    assert row["chance"] == pytest.approx(sum(exchanged))
    assert row["guessing"] == pytest.approx(4 / 3)
    assert row["low"] <= row["right"] / 4 <= row["high"]
    with pytest.raises(AnalysisError, match="6 pictures and 1 names"):
        right_first(frame, ["dog"])


def test_a_model_that_always_says_the_same_is_no_better_than_chance() -> None:
    frame = pd.DataFrame(
        {"picture": range(5), "rank": 1, "label": ["dog"] * 5, "similarity": 0.1, "chance": 0.5}
    )
    names = ["dog", "dog", "dog", "dog", "cat"]
    row = right_first(frame.assign(label=["dog"] * 5), names).iloc[0]
    assert row["right"] == row["chance"] == 4
    assert row["pictures"] == 4  # cat is none of the labels


def test_of_no_known_name_nothing_is_claimed() -> None:
    row = right_first(frame_of(["dog", "cat"]), [""]).iloc[0]
    assert row["pictures"] == row["right"] == 0
    assert math.isnan(row["low"])
