"""Every difference between two runs, with a correction for looking at all of them."""

from __future__ import annotations

import streamlit as st

import analysis
from analysis.errors import AnalysisError
from app.parts import messages, tables
from app.parts.export import take_away
from app.parts.glossary import TERMS
from app.server import recorded
from limoe_core.runs.directory import Run, RunError

_SHOWN = ["split", "task", "names", "k", "value", "other", "difference", "low", "high", "p_holm"]


def show(run: Run, step: int, other: Run, at: int) -> None:
    """Draws the table, if both runs keep answers to the same tasks."""
    mine, theirs = recorded.answers(run, step), recorded.answers(other, at)
    if not mine.keys() & theirs.keys():
        return
    try:
        frame = recorded.measured(analysis.compare_accuracies, mine, theirs)
        table = frame.value
    except (AnalysisError, RunError) as error:
        messages.say("info", f"{run.name} and {other.name} cannot be compared: {error}")
        return
    st.header("All differences", anchor=False, help=TERMS["all differences"])
    number = st.column_config.NumberColumn
    tables.show(
        table[_SHOWN],
        hide_index=True,
        column_config={
            "value": number(messages.visible(run.name), format="percent"),
            "other": number(messages.visible(other.name), format="percent"),
            "difference": number("difference", format="%+.3f"),
            "low": number("95 % from", format="%+.3f"),
            "high": number("to", format="%+.3f"),
            "p_holm": number("p, all rows", format="%.3f"),
        },
    )
    ahead = int((table["p_holm"] < 0.05).sum())
    st.caption(
        f"{ahead} of {len(table)} differences stand after Holm's correction for looking at all of "
        "them. One training run each: another seed would move both, which p does not know."
    )
    take_away(
        frame,
        file=f"differences-{run.name}-{other.name}-step{step}",
        what="all differences",
    )
