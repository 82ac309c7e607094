"""Zero-shot answers for the pictures of a slice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

import analysis
from analysis.recipes import Recorded, record
from analysis.slices import answer_labels, slice_answers
from app.parts import messages, tables
from app.parts.export import take_away
from app.parts.glossary import TERMS
from app.server import recorded
from app.shell import slices
from limoe_core.runs.directory import Run
from limoe_core.runs.predictions import Predictions

if TYPE_CHECKING:
    import pandas as pd


def sliced(run: Run, stored: Recorded[Predictions]) -> Recorded[Predictions]:
    """The answers for the slice that the reader is in, which is drawn; or all, with its choice."""
    chosen = slices.active()
    whole = stored.value
    if chosen is None:
        slices.choose(answer_labels([whole]))
        return stored
    some = slices.within(
        chosen,
        lambda: slice_answers(whole, chosen.of_pictures(run)),
        len(whole.picture),
        "picture",
    )
    if some is None:
        return stored
    return recorded.kept(record(analysis.slice_predictions, stored, chosen.of_pictures(run)))


def offer_confusion(answers: pd.DataFrame, split: str, key: str, answer: str) -> None:
    """Draws the button that makes a slice of the pictures of one confusion."""
    mine = answers[(answers["key"] == key) & (answers["answer_key"] == answer) & ~answers["right"]]
    if mine.empty:
        return
    pictures = sorted({*(mine["key"] + "." + mine["style"])})
    first = mine.iloc[0]
    slices.offer(
        f"Slice of {messages.counted(len(pictures), 'picture')} confused so",
        {"picture": pictures},
        f"{split}: {first['concept']} taken for {first['answer']}",
        key="zero_shot.slice",
    )


def show_accuracy(run: Run, task: str, step: int) -> None:
    """Draws the accuracy in the slice, if there is one and the run keeps single answers."""
    if not run.has("predictions", step, task):
        if slices.active() is not None:
            messages.say("info", "The accuracy of a slice needs single answers, and none are kept.")
        return
    stored = recorded.predictions(run, task, step)
    answers = sliced(run, stored)
    if answers is stored:
        return
    frame = recorded.measured(analysis.accuracy_of_answers, answers)
    st.header("In the slice", anchor=False, help=TERMS["slice"])
    slices.say_if_picked()
    first = frame.value.iloc[0]
    tables.show(
        frame.value[["language", "k", "accuracy", "low", "high"]],
        hide_index=True,
        height=180,
        column_config={
            "k": st.column_config.NumberColumn("top", help=TERMS["top-k"]),
            "accuracy": st.column_config.NumberColumn(format="percent"),
            "low": st.column_config.NumberColumn("95 % from", format="percent"),
            "high": st.column_config.NumberColumn("to", format="percent"),
        },
    )
    pictures = messages.counted(int(first["pictures"]), "picture")
    st.caption(
        f"n = {pictures} of {messages.counted(int(first['concepts']), 'concept')}, which are "
        f"resampled for the intervals. Step {step:,}. What follows is of all pictures."
    )
    take_away(frame, file=f"slice-{task}-{run.name}-step{step}", what="the slice's accuracy")
