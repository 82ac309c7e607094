"""Two runs compared on all that both were asked, with a correction for looking many times."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float, Shaped

from analysis.accuracy import accuracy_difference, answers_frame, require_same_questions
from analysis.arguments import check_count
from analysis.errors import AnalysisError
from limoe_core.runs.predictions import Predictions

#: How two runs answer a picture: which of them is right, or whether they err alike.
ANSWERED = ("both right", "first alone", "second alone", "wrong alike", "wrong apart")

#: Exchanges that are held in memory together.
_AT_ONCE = 1000
#: Exchanges with so large a difference, after which no more are made: p is known to a twentieth.
_ENOUGH = 400
_KS = (1, 5)
_COLUMNS = [
    "task",
    "split",
    "names",
    "k",
    "value",
    "other",
    "difference",
    "low",
    "high",
    "p",
    "p_holm",
    "n",
    "concepts",
]


def compare_accuracies(
    mine: Mapping[str, Predictions],
    others: Mapping[str, Predictions],
    *,
    samples: int = 100_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Every difference in accuracy between two runs, none picked.

    Of one training run each: another seed would move both, which no interval here knows.

    Args:
      mine, others: answers of each run by task, as `run.predictions(task, step)` gives them. Tasks
        that were not asked of both, or on other pictures, are left out.
      samples: random exchanges for p at most: of each concept, whether the runs change places.
        None with 0, and no p: it says nothing of pictures that were picked by these answers.

    Returns: one row per task, k (1 and 5) and names ("first language", or "all languages" where
      there are several), with columns task, split, names, k, value and other (the accuracies),
      difference, low, high (95 %, over concepts, for this difference alone), p (that so large a
      difference comes of runs that are alike), p_holm (the same for the whole table, by Holm's
      correction: below 0.05 for some row in one of twenty tables where no difference is real), n,
      concepts. Without p and p_holm if `samples` is 0.

    Raises:
      AnalysisError: the runs have no task in common, or `samples` is below 0.
    """
    check_count(samples, "samples", least=0)
    rows = []
    for task in sorted(mine.keys() & others.keys()):
        one, other = mine[task], others[task]
        asked = {"first language": str(one.languages[0]), "all languages": None}
        if len(one.languages) == 1:  # the same difference, which would be counted twice
            del asked["all languages"]
        for names, language in asked.items():
            for k in _KS:
                try:
                    found = accuracy_difference(one, other, language, k)
                except AnalysisError:  # of other pictures or languages
                    continue
                some = slice(None) if language is None else slice(1)
                hits = [(each.ranks[some] < k).mean(axis=0) for each in (one, other)]
                rows.append(
                    {
                        "task": task,
                        "split": str(one.split),
                        "names": names,
                        "k": k,
                        "value": float(hits[0].mean()),
                        "other": float(hits[1].mean()),
                        "difference": found.value,
                        "low": found.low,
                        "high": found.high,
                        "p": _exchanged(hits[0] - hits[1], one.concept, samples, seed)
                        if samples
                        else np.nan,
                        "n": len(one.picture),
                        "concepts": len(np.unique(one.concept)),
                    }
                )
    if not rows:
        raise AnalysisError("the two runs have no zero-shot task in common; evaluate both")
    frame = pd.DataFrame(rows)
    frame = frame.assign(p_holm=holm(frame["p"].to_numpy()))[_COLUMNS]
    return frame if samples else frame.drop(columns=["p", "p_holm"])


def paired_answers(
    predictions: Predictions, others: Predictions, language: str | None = None
) -> pd.DataFrame:
    """What two runs answer to the same pictures, one row a picture.

    Args:
      language: of the class names; the first one by default.

    Returns: columns picture (index in its split), key, concept (name), category, style, answered
      (one of `ANSWERED`), answer and answer_key of the first run, other_answer and
      other_answer_key of the second. Names are in the data set's first language.

    Raises:
      AnalysisError: the two were not asked the same, or not in that language.
    """
    require_same_questions(predictions, others)
    mine, theirs = (answers_frame(each, language) for each in (predictions, others))
    alike = mine["answer_key"] == theirs["answer_key"]
    frame = mine[["picture", "key", "concept", "category", "style"]].assign(
        answered=np.select(
            [mine["right"] & theirs["right"], mine["right"], theirs["right"], alike],
            ANSWERED[:4],
            ANSWERED[4],
        )
    )
    for prefix, answers in (("", mine), ("other_", theirs)):
        for name in ("answer", "answer_key"):
            frame[prefix + name] = answers[name]
    return frame


def holm(p: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
    """p-values corrected for their number (Holm, 1979)."""
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    found = np.empty(len(p))
    found[order] = np.minimum(steps, 1.0)
    return found


def _exchanged(
    gained: Float[np.ndarray, " n"], concept: Shaped[np.ndarray, " n"], samples: int, seed: int
) -> float:
    """Share of random exchanges of the runs, concept by concept, with so large a difference.

    A share that is plainly large needs few of them (Besag and Clifford, 1991).
    """
    _, place = np.unique(concept, return_inverse=True)
    total = np.bincount(place, weights=gained)
    rng = np.random.default_rng(seed)
    reached = 0
    for start in range(0, samples, _AT_ONCE):
        rows = min(_AT_ONCE, samples - start)
        drawn = np.frombuffer(rng.bytes(rows * (len(total) // 8 + 1)), np.uint8).reshape(rows, -1)
        kept = np.unpackbits(drawn, axis=1, count=len(total)).astype(np.float64)
        difference = 2 * kept @ total - total.sum()
        reached += int(np.count_nonzero(np.abs(difference) >= abs(total.sum()) - 1e-9))
        if reached >= _ENOUGH:
            return float(reached / (start + rows))
    return float((1 + reached) / (1 + samples))
