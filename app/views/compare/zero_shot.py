"""Zero-shot accuracy of both sides, and the paired difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

import analysis
from analysis import figures as drawn
from analysis.recipes import Recorded, record
from app.parts import figures, messages
from app.parts.glossary import TERMS, help_text
from app.server import recorded
from app.shell import slices
from app.views.compare import answers, slicing
from app.views.compare.sides import Side, Sides
from app.views.compare.telling import summary
from limoe_core.runs.directory import Run

if TYPE_CHECKING:
    import pandas as pd


def show(both: Sides) -> None:
    """Draws the view."""
    first, second = both.names
    one, other = both.one, both.other
    frames = {
        name: recorded.measured(analysis.accuracy_frame, _evaluated(side), side.step)
        for name, side in ((first, one), (second, other))
    }
    for name, side in ((first, one), (second, other)):
        if frames[name].value.empty:
            messages.say(
                "info",
                f"{side.run.name} has no stored zero-shot results at step {side.step:,}: "
                f"python -m limoe_core.evaluate --run {side.run.name} makes them.",
            )
    have = {name: frame for name, frame in frames.items() if len(frame.value)}
    if not have:
        return
    mine, others = (recorded.answers(side.run, side.step) for side in (one, other))
    of_all = mine
    mine, others = slicing.answers(one.run, mine, others)
    picked = mine is not of_all and slices.say_if_picked()
    differences = _differences(mine, others, picked=picked)
    wide, narrow = st.columns([3, 2])
    with wide:
        st.header(
            "Difference in accuracy",
            anchor=False,
            help=help_text("paired difference", "many looks"),
        )
        if differences is None:
            messages.say(
                "info",
                "No evaluation asked both about the same pictures, so there is no paired "
                "difference.",
            )
        else:
            if not picked:
                st.markdown(summary(differences.value, first, second, percent=True))
            figures.show(
                record(
                    drawn.differences_figure,
                    differences,
                    first,
                    second,
                    ["task", "names", "k"],
                    percent=True,
                ),
                differences,
                file=f"accuracy-differences-{both.file}",
                note=f"{len(differences.value):,} differences on the same pictures. 95 % "
                "intervals resample concepts."
                + (
                    ""
                    if picked
                    else " Full mark: p below 0.05 after Holm's correction for all rows; hollow: "
                    "not."
                ),
            )
    with narrow:
        st.header("All tasks", anchor=False, help=TERMS["zero-shot"])
        figures.show(
            record(drawn.tasks_figure, have, k=1),
            record(analysis.join_runs, have),
            file=f"tasks-{both.file}",
            note="Top-1. Headline: in the first language. Hatched: the mean over languages. "
            "Whiskers: 95 % intervals over concepts, of each alone."
            + ("" if mine is of_all else " Of all pictures, and not of the slice."),
        )
    answers.show(both, mine, others)


def _differences(
    mine: slicing.Answers, others: slicing.Answers, *, picked: bool
) -> Recorded[pd.DataFrame] | None:
    """All differences in accuracy; None where no task was asked of both about the same pictures.

    Args:
      picked: the pictures may have been picked by these answers, and then p would say nothing.
    """
    options = {"samples": 0} if picked else {}
    found = recorded.measured(analysis.compare_accuracies, mine, others, **options)
    try:
        _ = found.value
    except analysis.AnalysisError:
        return None
    return found


def _evaluated(side: Side) -> Recorded[Run]:
    return recorded.opened(side.run, side.run.stamp("evaluations"))
