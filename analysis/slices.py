"""Slices: pairs with certain labels, picked out of a trace, of points or of answers alike.

A slice is written as a dict of conditions, all of which hold: label to values, one of which a pair
has. Labels are "category", "style", "language", "concept" and whatever else a trace's meta names;
"pair", the pair's number; "picture", concept and style with a dot between; and "block 4", the
expert (from 0) that most patches of the picture, or most pieces of the text, choose first.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from jaxtyping import Bool

from analysis.arguments import check_trace, check_traces
from analysis.errors import AnalysisError
from analysis.points import Points, pair_rows, same_pairs
from limoe_core.trace import RoutingTrace

if TYPE_CHECKING:
    from limoe_core.runs import Predictions

#: What answers may know of their pictures besides.
_OF_SOME_ANSWERS = ("stratum", "familiarity")

#: Label to values; see the module.
Where = Mapping[str, Sequence[str | int]]


def slice_pairs(trace: RoutingTrace, where: Where) -> list[int]:
    """Numbers of the pairs of a slice, rising.

    Raises:
      AnalysisError: it is no trace, or knows nothing of a label.
    """
    return _pairs(pair_rows(trace), where)


def slice_trace(trace: RoutingTrace, where: Where) -> RoutingTrace:
    """The trace of a slice's pairs alone, renumbered; routed with all others, as recorded.

    Raises:
      AnalysisError: as `slice_pairs`, and where no pair is in the slice.
    """
    pairs = slice_pairs(trace, where)
    if not pairs:
        raise AnalysisError("no pair of this trace is in the slice")
    return trace.select(pairs)


def slice_traces(traces: Mapping[int, RoutingTrace], where: Where) -> dict[int, RoutingTrace]:
    """`slice_trace` at every step: the same pairs, those of the slice at the last step.

    By experts of the last step, since a pair has others at others.

    Args:
      traces: traces of the same pairs by step, such as `analysis.probe_traces(run)`.

    Raises:
      AnalysisError: as `slice_trace`, or there are no traces, or they are of different pairs.
    """
    check_traces(traces)
    last = traces[max(traces)]
    for step, trace in traces.items():
        if not same_pairs(trace, last):
            raise AnalysisError(
                f"steps {step} and {max(traces)} are of different pairs, so a slice of one is none "
                "of the other"
            )
    pairs = slice_pairs(last, where)
    if not pairs:
        raise AnalysisError("no pair of these traces is in the slice")
    return {step: trace.select(pairs) for step, trace in traces.items()}


def slice_elsewhere(
    trace: RoutingTrace, where: Where, other: RoutingTrace
) -> dict[str, list[str | int]]:
    """A slice of one trace's pairs as conditions on another trace, such as another run's.

    Numbers of pairs and of experts mean something else there: they become numbers where both
    traces are of the same pairs, and pictures (concept and style) where they are not. All other
    labels mean the same everywhere.

    Raises:
      AnalysisError: one is no trace, or nothing is known of a label, or of the concepts and styles.
    """
    check_trace(other)
    if same_pairs(trace, other):
        return {"pair": list(slice_pairs(trace, where))}
    free = {label: list(values) for label, values in where.items() if not _bound(label)}
    if len(free) == len(where):
        return free
    rows = pair_rows(trace)
    if not {"concept", "style"} <= {*rows}:
        raise AnalysisError(
            "the slice is of numbers of pairs or of experts of one run, and nothing is known of "
            "the concepts and styles of these pairs that would name them in another"
        )
    return {**free, "picture": sorted({*_pictures(rows[_matching(rows, where)])})}


def _bound(label: str) -> bool:
    """Whether a label's values are of one trace alone."""
    return label == "pair" or label.startswith("block ")


def slice_points(points: Points, where: Where) -> list[int]:
    """Places of the points whose pairs are in a slice, rising.

    Raises:
      AnalysisError: nothing is known of a label.
    """
    known = points.known
    rows = known[known["pair"] >= 0]
    blocks = [label for label in where if label.startswith("block ") and label in rows]
    if blocks:  # tokens: the expert of most tokens of a pair and modality
        most = rows.groupby(["pair", "modality"])[blocks]
        rows = rows.drop(columns=blocks).merge(
            most.agg(_first_mode).reset_index(), on=["pair", "modality"]
        )
    chosen = set(_pairs(rows, where))
    return np.flatnonzero([pair in chosen for pair in known["pair"]]).tolist()


def slice_predictions(predictions: Predictions, where: Where) -> Predictions:
    """The answers for a slice's pictures alone; "stratum" and "familiarity" are labels as well.

    Raises:
      AnalysisError: nothing is known of a label, or no picture is in the slice.
    """
    chosen = slice_answers(predictions, where)
    if not chosen:
        raise AnalysisError("no picture of these answers is in the slice")
    return dataclasses.replace(
        predictions,
        **{
            name: getattr(predictions, name)[chosen]
            for name in ("picture", "concept", "style", "category")
        },
        **{
            name: getattr(predictions, name)[chosen]
            for name in _OF_SOME_ANSWERS
            if len(getattr(predictions, name))
        },
        **{name: getattr(predictions, name)[:, chosen] for name in ("ranks", "top", "similarity")},
    )


def slice_answers(predictions: Predictions, where: Where) -> list[int]:
    """Places of the answers for a slice's pictures, rising.

    Raises:
      AnalysisError: nothing is known of a label.
    """
    known = pd.DataFrame(
        {
            "concept": predictions.keys[predictions.concept],
            "category": predictions.category,
            "style": predictions.style,
            **{
                name: values
                for name in _OF_SOME_ANSWERS
                if len(values := getattr(predictions, name))
            },
        },
        dtype=object,
    )
    return np.flatnonzero(_matching(known, where)).tolist()


def answer_labels(answers: Iterable[Predictions]) -> dict[str, list[str]]:
    """What answers can be sliced by that comes of no reader's choice: values by label."""
    found: dict[str, set[str]] = {}
    for each in answers:
        for label in ("category", "style", *_OF_SOME_ANSWERS):
            found.setdefault(label, set()).update(map(str, getattr(each, label)))
    return {label: sorted(values) for label, values in found.items()}


def _first_mode(column: pd.Series) -> int:
    """The value that comes most often; of several, the lowest."""
    return int(column.mode().iloc[0])


def _pairs(rows: pd.DataFrame, where: Where) -> list[int]:
    return sorted({int(pair) for pair in rows.loc[_matching(rows, where), "pair"]})


def _matching(rows: pd.DataFrame, where: Where) -> Bool[np.ndarray, " n"]:
    found = np.ones(len(rows), bool)
    for label, values in where.items():
        if label == "picture" and {"concept", "style"} <= {*rows}:
            column = _pictures(rows)
        elif label in rows:
            column = rows[label].astype(str)
        else:
            raise AnalysisError(f"the slice is of {label}, of which nothing is known here")
        found &= column.isin({str(value) for value in values}).to_numpy()
    return found


def _pictures(rows: pd.DataFrame) -> pd.Series:
    """Names of pictures: concept and style with a dot between."""
    return rows["concept"].astype(str) + "." + rows["style"].astype(str)
