"""Blocks about zero-shot accuracy: tables, strata, comparison, and what speaks against each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

import analysis
from benchmarks.results import markdown
from benchmarks.results.gathered import Results, Row, split_of
from limoe_core.evaluation.familiarity import NEW
from limoe_core.evaluation.intervals import cluster_estimate
from limoe_core.runs import Predictions

#: Groups of pictures that are unlike in difficulty, with the field of the answers that has them.
_STRATA = ("stratum", "familiarity")
_BASELINES = ("HOG and colour", "pixels")
_SHORT = ("first language",)
_LONG = ("first language", "all languages")
_HEADLINE = {"first language": "headline", "all languages": "mean over languages"}
#: Splits of concepts that training knows, by the end of their names.
_OF_KNOWN = ("test_style", "test_set", "validation_style")
#: The test splits of one number each that a short table has.
_TESTS = "test_"


def short_table(results: Results) -> str:
    """Accuracy on the test splits in the first language."""
    tests = [task for task in results.tasks if _TESTS in task]
    return _table(results, tests, _SHORT)


def long_table(results: Results) -> str:
    """Accuracy on all splits, in the first language and on average over all."""
    return _table(results, results.tasks, _LONG)


def _table(results: Results, tasks: Sequence[str], names: Sequence[str]) -> str:
    columns = [
        "split",
        "pictures",
        "concepts",
        "classes",
        "measure",
        "chance",
        "nearest picture",
        results.limoe.name,
        results.twin.name,
        "difference",
        "p, corrected",
    ]
    rows = []
    for task in tasks:
        for k in (1, 5):
            for language in names:
                if language == "all languages" and len(_answers(results, task).languages) == 1:
                    continue
                rows.append(_row(results, task, language, k))
    return markdown.table(columns, rows)


def _row(results: Results, task: str, names: str, k: int) -> list[str]:
    group = _HEADLINE[names]
    mine, other = (results.accuracy(run, task, group, k) for run in results.runs)
    assert mine is not None and other is not None
    first = names == "first language"
    found = results.difference(task, names, k)
    nearest = _nearest(results, task, k) if first else None
    return [
        f"`{split_of(task)}`",
        f"{mine['n']:,}",
        f"{mine['concepts']:,}",
        f"{mine['ways']:,}",
        f"top-{k}, {_language(mine['name']) if first else 'mean of languages'}",
        markdown.share(mine["chance"]),
        "–" if nearest is None else f"{100 * nearest['value']:.1f} %",
        markdown.estimate(mine),
        markdown.estimate(other),
        markdown.points(found["difference"], found["low"], found["high"]),
        markdown.p_value(found["p_holm"]),
    ]


def _nearest(results: Results, task: str, k: int) -> Row | None:
    """The better of the baselines that need no model."""
    found = [
        row
        for name in _BASELINES
        if (row := results.accuracy(results.limoe, task, "nearest picture", k, name)) is not None
    ]
    return max(found, key=lambda row: row["value"], default=None)


def comparison(results: Results) -> str:
    """What all differences between the two runs amount to, none picked."""
    frame = results.differences
    tests = frame["task"].str.contains(_TESTS)
    above, below = int((frame["low"] > 0).sum()), int((frame["high"] < 0).sum())
    count, standing = len(frame), frame[frame["p_holm"] < 0.05]
    if standing.empty:
        verdict = (
            f"Corrected for looking {count} times (`analysis.compare_accuracies`, Holm), none "
            f"stands: the smallest p is {markdown.p_value(frame['p_holm'].min())}. So these runs "
            "do not show whether LIMoE or its twin is better."
        )
    else:
        ahead = int((standing["difference"] > 0).sum())
        verdict = (
            f"Corrected for looking {count} times (`analysis.compare_accuracies`, Holm), "
            f"{len(standing)} {'stands' if len(standing) == 1 else 'stand'}: "
            f"{ahead} in favour of {results.limoe.name}, {len(standing) - ahead} of "
            f"{results.twin.name}. {_on_tests(frame['p_holm'][tests], standing)}"
        )
    return markdown.prose(
        f"Of {count} differences, the intervals of {count - above - below} include zero, {above} "
        f"favour {results.limoe.name} and {below} {results.twin.name}. They are not independent of "
        f"one another. {verdict} With one seed of each, another seed would move both numbers by an "
        "amount that no interval here knows; the study in docs/study is about that."
    )


def _on_tests(p: pd.Series, standing: pd.DataFrame) -> str:
    """How many of the differences that stand are of tests, whose p values are given."""
    if p.empty:
        return "No test was asked."
    count = len(standing.index.intersection(p.index))
    if count:
        which = f"{count} of these {'is' if count == 1 else 'are'} of tests"
    else:
        which = "None of these is of a test: they are of splits that were looked at in training"
    return f"{which}; the smallest p of a test is {markdown.p_value(p.min())}."


# ---- strata


def strata(results: Results) -> str:
    """Accuracy in groups of pictures that are unlike in difficulty."""
    rows = [row for task in results.tasks for row in _strata_rows(results, task)]
    if not rows:
        return markdown.prose(
            "The evaluations that these runs hold tell no groups apart; "
            "`python -m limoe_core.evaluate` stores them since version 0.4."
        )
    columns = ["split", "classes", "pictures of", "pictures", "measure"]
    columns += [results.limoe.name, results.twin.name, "difference"]
    return markdown.table(columns, rows)


def _strata_rows(results: Results, task: str) -> Iterator[list[str]]:
    both = results.answers[task]
    language = str(both[0].languages[0])
    for field in _STRATA:
        groups = getattr(both[0], field)
        for value in np.unique(groups).tolist():
            some = [analysis.slice_predictions(each, {field: [value]}) for each in both]
            for k in (1, 5):
                mine, other = (results.accuracy(run, task, field, k, value) for run in results.runs)
                if mine is None:
                    continue
                found = analysis.accuracy_difference(some[0], some[1], language, k)
                yield [
                    f"`{split_of(task)}`",
                    f"{mine['ways']:,}",
                    value,
                    f"{mine['n']:,}",
                    f"top-{k}, {_language(language)}",
                    markdown.estimate(mine),
                    markdown.estimate(other),
                    markdown.points(*found),
                ]


# ---- objections


def objections(results: Results) -> str:
    """The strongest objection to each number."""
    return _objections(results, results.tasks)


def objections_to_tests(results: Results) -> str:
    """Those to each test, among the names that make it look best."""
    wider = {task + "_all" for task in results.tasks}
    return _objections(
        results, [task for task in results.tasks if _TESTS in task and task not in wider]
    )


def _objections(results: Results, tasks: Sequence[str]) -> str:
    found = [sentence for task in tasks for sentence in _against(results, task)]
    found.append(
        "All of it is about drawings of single things on a plain ground, with their official "
        "names. It says nothing of photographs, nor of the paper's models."
    )
    return markdown.bullets(found)


def _against(results: Results, task: str) -> Iterator[str]:
    split, top1 = split_of(task), results.accuracy(results.limoe, task, "headline", 1)
    assert top1 is not None
    head = f"`{split}` among {top1['ways']:,} names, top-1 {markdown.estimate(top1)}:"
    said: list[str] = []
    if split.endswith(_OF_KNOWN):
        said += _against_known(results, task, top1)
    else:
        said += _against_new(results, task)
    if "validation" in split:
        said.append("it was looked at in training and is there to choose settings by: no test.")
    if said:
        yield f"{head} {' '.join(_sentence(each) for each in said)}"


def _against_known(results: Results, task: str, top1: Row) -> Iterator[str]:
    """The concepts are known, so what is nearest among training's pictures finds them as well."""
    nearest = _nearest(results, task, 1)
    if nearest is None:
        yield "what the nearest labelled picture would reach was not measured."
        return
    ahead = 100 * (top1["value"] - nearest["value"])
    if nearest["value"] > top1["high"]:
        verdict = f"which is {-ahead:.1f} points more"
    elif nearest["value"] < top1["low"]:
        verdict = f"{ahead:.1f} points less"
    else:
        verdict = f"which its interval includes ({ahead:+.1f} points)"
    yield (
        f"the nearest of the set's pictures in training in {nearest['name']} has the right name "
        f"for {100 * nearest['value']:.1f} % without any model, {verdict}. Both were given these "
        "pictures with their names; it needs them when it is asked, the model texts alone."
    )
    answers = _answers(results, task)
    styles = len(np.unique(answers.style))
    found = cluster_estimate(answers.ranks[0] == 0, answers.style)
    yield (
        f"it is of {markdown.counted(styles, 'style')}; resampling these and not concepts, its "
        f"interval is {100 * found.low:.0f}–{100 * found.high:.0f} %."
    )


def _against_new(results: Results, task: str) -> Iterator[str]:
    """Concepts that no picture of training shows may be known all the same."""
    answers = _answers(results, task)
    top1 = results.accuracy(results.limoe, task, "headline", 1)
    assert top1 is not None
    unnamed = results.accuracy(results.limoe, task, "not named in training", 1)
    if unnamed is not None:
        count = top1["concepts"] - unnamed["concepts"]
        yield (
            f"{markdown.counted(count, 'concept')} of {top1['concepts']:,} "
            f"{'is' if count == 1 else 'are'} named in training in the same words: by another "
            "picture set, as an alias, or in plural or another order, and then often drawn there "
            f"as well; without them it is {markdown.estimate(unnamed)}."
        )
    alike = _mean_of_concepts(answers)
    if abs(alike - top1["value"]) > 0.01:
        yield (
            "some concepts have many pictures; with every concept weighted alike it is "
            f"{100 * alike:.1f} %."
        )
    for kind, what in (
        ("siblings", "variants of one another, whose names differ in a word"),
        ("one word from a name in training", "one word from a name that training read"),
    ):
        share = _share_of_right(answers, kind)
        if share is not None and share[1] > 1.1 * share[0]:
            pictures, right = share
            yield f"{right:.0%} of the right answers are to the {pictures:.0%} that are {what}."
    new = results.accuracy(results.limoe, task, "familiarity", 1, NEW)
    if new is not None:
        yield (
            f"of the {new['n']:,} whose name has a word that training never read, it is "
            f"{markdown.estimate(new)}, where guessing has {markdown.share(top1['chance'])}."
        )
    wider = task + "_all"
    if wider in results.tasks:
        found = results.accuracy(results.limoe, wider, "headline", 1)
        yield (
            "it is asked among the split's own names, which no user knows; among all names it is "
            f"{markdown.estimate(found)}."
        )


def _mean_of_concepts(answers: Predictions) -> float:
    """Top-1 accuracy in the first language, where every concept counts alike."""
    _, concept = np.unique(answers.concept, return_inverse=True)
    right = np.bincount(concept, weights=answers.ranks[0] == 0)
    return float((right / np.bincount(concept)).mean())


def _share_of_right(answers: Predictions, kind: str) -> tuple[float, float] | None:
    """Shares of pictures and of right answers in a stratum; None where nothing is right."""
    right = answers.ranks[0] == 0
    for field in _STRATA:
        groups = getattr(answers, field)
        if kind in groups and right.any():
            mask = groups == kind
            return float(mask.mean()), float(mask[right].mean())
    return None


def _answers(results: Results, task: str) -> Predictions:
    return results.answers[task][0]


def _language(code: str) -> str:
    return "English" if code == "en" else code


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
