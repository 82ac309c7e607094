"""Stored evaluations of runs as tidy frames: accuracies, answers, confusions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd

from analysis.arguments import check_count
from analysis.errors import AnalysisError
from limoe_core.evaluation.intervals import Estimate, cluster_estimate
from limoe_core.runs.predictions import Predictions

_ACCURACY = [
    "task", "split", "step", "group", "name", "k", "value", "low", "high", "n", "concepts", "ways",
    "chance", "ceiling", "data",
]  # fmt: skip
_RETRIEVAL = [
    "task", "split", "step", "language", "direction", "k", "value", "low", "high", "chance",
    "images", "texts", "data",
]  # fmt: skip
_GROUPS = {
    "categories": "category",
    "styles": "style",
    "strata": "stratum",
    "familiarity": "familiarity",
}
#: Names of baselines that need no model, by the features of `limoe_core.evaluation.neighbours`.
_FEATURES = {"pixels": "pixels", "hog_colour": "HOG and colour"}


class EvaluatedRun(Protocol):
    """The part of a `limoe_core.runs.directory.Run` that is read here."""

    def evaluations(self) -> dict[str, dict[str, Any]]: ...


def accuracy_frame(run: EvaluatedRun, step: int | None = None) -> pd.DataFrame:
    """Zero-shot accuracies that `limoe_core.evaluate` stored in the run.

    One row per task, step, group member and k, with columns
      task, split, step, k (1 or 5), value, low, high (95 % interval over concepts);
      group: "headline" (the first language), "prompt ensemble", "mean over languages", "language",
        "category", "style", "stratum" or "familiarity" (the last four in the first language; their
        means over languages are groups "category, mean over languages" and so on), "not named in
        training" (without concepts whose name some caption of training is), or "nearest picture"
        (the class of the nearest labelled picture, which needs no model, but labels of pictures);
      name: which language, category, style, stratum (siblings are variants of one another),
        familiarity (what training read of the name, see `limoe_core.evaluation.familiarity`) or
        features ("pixels", "HOG and colour"); the language in the headline group;
      n (pictures), concepts (distinct ones), ways (classes), chance (of guessing);
      ceiling: top-1 of perfect knowledge if the exact concept had to be named; NaN where not known;
      data: data set and version.

    Args:
      step: only this step; None for all.
    """
    rows = [
        row
        for task, at, result in _results(run, "zero_shot_", step)
        for row in _accuracies(task, at, result)
    ]
    return pd.DataFrame(rows, columns=_ACCURACY)


def _accuracies(task: str, step: int, result: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    language = result["headline_language"]
    members: list[tuple[str, str, Mapping[str, Any]]] = [("headline", language, result)]
    if "prompt_ensemble" in result:
        members.append(("prompt ensemble", language, result["prompt_ensemble"]))
    members.append(("mean over languages", "", result["mean_over_languages"]))
    members += [("language", name, values) for name, values in result["languages"].items()]
    for key, group in _GROUPS.items():
        for name, values in result.get(key, {}).items():
            members.append((group, name, values))
            mean = {**values["mean_over_languages"], "n": values["n"]}
            members.append((f"{group}, mean over languages", name, mean))
    if "not_named" in result:
        members.append(("not named in training", language, result["not_named"]))
    for key, name in _FEATURES.items():
        if key in result.get("nearest_picture", {}):
            members.append(("nearest picture", name, result["nearest_picture"][key]))
    for group, name, values in members:
        for k in (1, 5):
            estimate = values[f"top{k}"]
            yield {
                "task": task,
                "split": result["split"],
                "step": step,
                "group": group,
                "name": name,
                "k": k,
                "value": estimate["value"],
                "low": estimate["low"],
                "high": estimate["high"],
                "n": values.get("n", result["n"]),
                "concepts": values.get("concepts", result["concepts"]),
                "ways": result["ways"],
                "chance": result.get("chance", {}).get(f"top{k}", min(1.0, k / result["ways"])),
                "ceiling": values.get("ceiling", np.nan),
                "data": result["data"],
            }


def retrieval_frame(run: EvaluatedRun, step: int | None = None) -> pd.DataFrame:
    """Recall at k in both directions that `limoe_core.evaluate` stored in the run.

    Columns: task, split, step, language, direction ("image to text" or "text to image"), k, value,
    low, high (95 % interval), chance (of a random order; NaN in results of earlier versions),
    images and texts (numbers of candidates), data.
    """
    rows = [
        {
            "task": task,
            "split": result["split"],
            "step": at,
            "language": language,
            "direction": way.replace("_", " "),
            "k": int(name.removeprefix("r")),
            **estimate,
            "chance": values.get("chance", {}).get(way, {}).get(name, np.nan),
            "images": result["n"],
            "texts": values["texts"],
            "data": result["data"],
        }
        for task, at, result in _results(run, "retrieval_", step)
        for language, values in result["languages"].items()
        for way in ("image_to_text", "text_to_image")
        for name, estimate in values[way].items()
    ]
    return pd.DataFrame(rows, columns=_RETRIEVAL)


def _results(
    run: EvaluatedRun, prefix: str, step: int | None
) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
    for task, by_step in sorted(run.evaluations().items()):
        if task.startswith(prefix):
            for at in sorted(by_step, key=int):
                if step is None or int(at) == step:
                    yield task, int(at), by_step[at]


def answers_frame(predictions: Predictions, language: str | None = None) -> pd.DataFrame:
    """The model's answer to every picture, one row per picture.

    Columns: picture (index in its split), key, concept (name), category, style, right, rank (wrong
    classes before the right one), and answer, answer_key, similarity for the best, answer_2 … for
    the next ones. Names are in the data set's first language, whatever the language asked.

    Raises:
      AnalysisError: the evaluation did not ask in that language.
    """
    row = _language_row(predictions, language)
    top, similarity = predictions.top[row], predictions.similarity[row]
    rank = predictions.ranks[row]
    columns: dict[str, Any] = {
        "picture": predictions.picture,
        "key": predictions.keys[predictions.concept],
        "concept": predictions.names[predictions.concept],
        "category": predictions.category,
        "style": predictions.style,
        "right": rank == 0,
        "rank": rank,
        "answer": predictions.names[top[:, 0]],
        "answer_key": predictions.keys[top[:, 0]],
        "similarity": similarity[:, 0],
    }
    for place in range(1, top.shape[1]):
        columns[f"answer_{place + 1}"] = predictions.names[top[:, place]]
    return pd.DataFrame(columns)


def accuracy_of_answers(predictions: Predictions, ks: Sequence[int] = (1, 5)) -> pd.DataFrame:
    """Accuracy of these answers, such as those of a slice, by the language of the names.

    Returns: one row a language and k, with columns language, k, accuracy, low, high (95 %,
      resampling concepts), pictures, concepts.
    """
    rows = []
    for language, ranks in zip(predictions.languages, predictions.ranks, strict=True):
        for k in ks:
            estimate = cluster_estimate(ranks < k, predictions.concept)
            rows.append(
                {
                    "language": str(language),
                    "k": int(k),
                    "accuracy": estimate.value,
                    "low": estimate.low,
                    "high": estimate.high,
                    "pictures": len(predictions.picture),
                    "concepts": len(np.unique(predictions.concept)),
                }
            )
    return pd.DataFrame(rows)


def confusions(
    predictions: Predictions, language: str | None = None, category: str | None = None
) -> pd.DataFrame:
    """Pairs of a concept and its wrong answer, most frequent first.

    Args:
      category: count only pictures of this category.

    Columns: key, concept, answer_key, answer, count (pictures), total (pictures of the concept),
    styles (in which, joined by commas), pictures (their indices in the split, joined by commas).
    Only wrong answers.
    """
    answers = answers_frame(predictions, language)
    if category is not None:
        answers = answers[answers["category"] == category]
    total = answers.groupby("key").size()
    wrong = answers[~answers["right"]]
    found = (
        wrong.groupby(["key", "concept", "answer_key", "answer"])
        .agg(
            count=("picture", "size"),
            styles=("style", lambda styles: ", ".join(sorted(set(styles)))),
            pictures=("picture", lambda pictures: ", ".join(map(str, pictures))),
        )
        .reset_index()
    )
    found.insert(5, "total", found["key"].map(total).astype("int64"))
    return found.sort_values(
        ["count", "concept", "answer"], ascending=[False, True, True], ignore_index=True
    )


def accuracy_difference(
    predictions: Predictions, others: Predictions, language: str | None = None, k: int = 1
) -> Estimate:
    """Top-k accuracy of one run minus that of another, on the same pictures.

    The 95 % interval resamples concepts and keeps both runs' answers to a picture together, so that
    a picture that is hard for both does not blur the comparison.

    Args:
      language: of the class names; None takes the mean over all languages.

    Raises:
      AnalysisError: the two evaluations did not ask the same questions, or `k` is below 1.
    """
    check_count(k, "k")
    require_same_questions(predictions, others)
    rows = slice(None) if language is None else [_language_row(predictions, language)]
    gained = (predictions.ranks[rows] < k).mean(axis=0) - (others.ranks[rows] < k).mean(axis=0)
    found = cluster_estimate(gained, predictions.concept)
    # Where no picture tells the two apart, the interval says how far ahead either may be.
    return found if gained.any() else Estimate(0.0, -found.high, found.high)


def require_same_questions(predictions: Predictions, others: Predictions) -> None:
    """Looks whether two evaluations asked about the same pictures in the same languages.

    Raises:
      AnalysisError: they did not, with what differs.
    """
    for name in ("data", "split", "picture", "concept", "languages"):
        if not np.array_equal(getattr(predictions, name), getattr(others, name)):
            raise AnalysisError(f"the two evaluations differ in {name}, so they cannot be compared")


def category_confusions(predictions: Predictions, language: str | None = None) -> pd.DataFrame:
    """Answers to the pictures of each category, counted by the answer's category.

    Columns: category, answer_category, count, share (of the category's pictures). In predictions of
    earlier versions, categories of concepts that none of the pictures shows are "other".
    """
    row = _language_row(predictions, language)
    of_concept = dict(enumerate(predictions.categories.tolist())) or dict(
        zip(predictions.concept.tolist(), predictions.category.tolist(), strict=True)
    )
    answered = [of_concept.get(int(concept), "other") for concept in predictions.top[row][:, 0]]
    frame = pd.DataFrame({"category": predictions.category, "answer_category": answered})
    counts = frame.value_counts().rename("count").reset_index()
    counts["share"] = counts["count"] / counts.groupby("category")["count"].transform("sum")
    return counts.sort_values(["category", "answer_category"], ignore_index=True)


def _language_row(predictions: Predictions, language: str | None) -> int:
    languages = predictions.languages.tolist()
    if language is None:
        return 0
    if language not in languages:
        raise AnalysisError(f"the evaluation did not ask in {language!r}; it asked in {languages}")
    return languages.index(language)
