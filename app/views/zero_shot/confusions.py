"""Confusions: which concepts are taken for which, with their pictures."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

import analysis
from analysis import figures as drawn
from analysis.recipes import Recorded, record
from app.components.tiles import Tile, tiles
from app.parts import figures, messages, splits, tables
from app.parts.export import take_away
from app.parts.glossary import TERMS
from app.parts.tasks import in_order
from app.server import recorded
from app.shell import controls, state
from app.shell.tasks import choose_task
from app.views.zero_shot import pool, slicing
from app.views.zero_shot.tasks import accuracies
from limoe_core.config import ConfigError
from limoe_core.runs.directory import Run, RunError
from limoe_core.runs.predictions import Predictions

if TYPE_CHECKING:
    import pandas as pd

    from app.views.zero_shot.pool import Pool

_ANY = "any"
_MOST_PICTURES = 48


def show(run: Run, step: int) -> None:
    """Draws the view."""
    evaluated = in_order(accuracies(run, step).value["task"], splits.asked_of(run))
    tasks = [task for task in evaluated if run.has("predictions", step, task)]
    if not tasks:
        messages.say(
            "info",
            f"{run.name} has no stored predictions of step {step:,}. Make them with: python -m "
            f"limoe_core.evaluate --run {run.path} --step {step}",
        )
        return
    left, right = st.columns([3, 1])
    with left:
        task = choose_task(tasks, splits.asked_of(run))
    stored = slicing.sliced(run, recorded.predictions(run, task, step))
    predictions = stored.value
    with right:
        language = _choose_language(predictions)
    answers = recorded.measured(analysis.answers_frame, stored, language).value
    wrong = int((~answers["right"]).sum())
    st.caption(
        messages.plain(
            f"Step {step:,}, {predictions.data}, split {predictions.split}, names in {language}: "
            f"{wrong:,} of n = {len(answers):,} pictures are classified as something else.",
            400,
        ),
        help=TERMS["zero-shot"],
    )
    narrow, wide = st.columns(2)
    with narrow:
        _categories(run, task, step, stored, language)
    with wide:
        picked = _table(run, task, step, stored, language)
    if picked is not None:
        slicing.offer_confusion(answers, str(predictions.split), *picked)
        _pictures(run, answers, str(predictions.split), *picked)


def _choose_language(predictions: Predictions) -> str:
    languages = [str(language) for language in predictions.languages]
    return controls.choice("language", "Names in", languages, noun="language", say=False)


def _categories(
    run: Run, task: str, step: int, stored: Recorded[Predictions], language: str
) -> None:
    frame = recorded.measured(analysis.category_confusions, stored, language)
    st.header("Confusions between categories", anchor=False)
    figures.show(
        record(drawn.confusion_figure, frame),
        frame,
        file=f"categories-{task}-{language}-{run.name}-step{step}",
        note="Rows sum to 100 %: of the pictures of a category, the share classified as each "
        "category.",
    )


def _table(
    run: Run, task: str, step: int, stored: Recorded[Predictions], language: str
) -> tuple[str, str] | None:
    """Draws the table of confusions and returns the keys of the selected pair."""
    st.header("Most confused pairs", anchor=False)
    categories = sorted({str(category) for category in stored.value.category})
    category = controls.choice(
        "category",
        "Pictures of the category",
        [_ANY, *categories],
        noun="category",
        say=False,
    )
    only = [] if category == _ANY else [category]
    confused = recorded.measured(analysis.confusions, stored, language, *only)
    frame = confused.value
    if frame.empty:
        messages.say("info", "No picture is classified as something else.")
        return None
    pairs = [f"{row.key}~{row.answer_key}" for row in frame.itertuples()]
    now = state.get("confusion", state.among(pairs, "confusion"), pairs[0], say=False)
    widget = f"zero_shot.confusions.{task}.{language}.{category}"

    def pick() -> None:
        rows = st.session_state[widget]["selection"]["rows"]
        if rows and rows[0] < len(pairs):
            state.put("confusion", pairs[rows[0]])

    tables.show(
        frame[["concept", "answer", "count", "total", "styles"]],
        key=widget,
        hide_index=True,
        height=300,
        on_select=pick,
        selection_mode="single-row",
        selection_default={"selection": {"rows": [pairs.index(now)]}},
        column_config={
            "concept": st.column_config.TextColumn("picture of"),
            "answer": st.column_config.TextColumn("taken for"),
            "count": st.column_config.NumberColumn("pictures"),
            "total": st.column_config.NumberColumn("of", help="Pictures of the concept."),
        },
    )
    st.caption("Select a row to see its pictures. Names are in the data set's first language.")
    take_away(
        confused,
        file=f"confusions-{task}-{language}-{run.name}-step{step}",
        what="the table",
    )
    key, answer = now.split("~")
    return key, answer


def _pictures(run: Run, answers: pd.DataFrame, split: str, key: str, answer: str) -> None:
    """Draws the pictures of one confusion in a split, and pictures of the answer."""
    mine = answers[(answers["key"] == key) & (answers["answer_key"] == answer) & ~answers["right"]]
    if mine.empty:
        return
    concept, taken = str(mine["concept"].iloc[0]), str(mine["answer"].iloc[0])
    st.header("Misclassified pictures", anchor=False)
    pool.say_whose(run)
    try:
        pictures = pool.of_run(run)
    except (RunError, ConfigError) as error:
        messages.say("info", f"The pictures cannot be shown: {error}")
        return
    left, right = st.columns(2)
    with left:
        st.markdown(f"Pictures of **{messages.plain(concept)}**")
        _wrong(mine, split, pictures)
    with right:
        st.markdown(f"For comparison, pictures of **{messages.plain(taken)}**")
        _others(answer, pictures)


def _wrong(mine: pd.DataFrame, split: str, pictures: Pool) -> None:
    rows = mine.head(_MOST_PICTURES).to_dict("records")
    found = [
        (row, pictures.find(split, int(row["picture"]), str(row["key"]), str(row["style"])))
        for row in rows
    ]
    here = [(row, place) for row, place in found if place is not None]
    if len(here) < len(rows):
        messages.say(
            "info",
            f"{len(rows) - len(here)} of {messages.counted(len(rows), 'picture')} cannot be shown: "
            f"here are {len(pictures):,} {pictures.title} alone.",
        )
    if not here:
        return
    tiles(
        [
            Tile(
                id=pictures.ids[place],
                caption=", ".join(str(row[name]) for name in _answer_columns(row)),
                detail=f"{row['style']} · correct name at rank {row['rank'] + 1:,}",
                hint=f"similarity of the first answer {row['similarity']:.3f}",
            )
            for row, place in here
        ],
        pictures.pictures[np.array([place for _, place in here])],
        label="Misclassified pictures, with the top answers",
        key="zero_shot.wrong",
        action="classify it",
        on_pick=_classify,
        width=130,
    )
    st.caption("Below each picture: its top answers, best first. Click a picture to classify it.")


def _answer_columns(row: dict[Hashable, Any]) -> list[str]:
    return [name for name in ("answer", "answer_2", "answer_3") if name in row]


def _others(key: str, pictures: Pool) -> None:
    places = [i for i, each in enumerate(pictures.keys) if each == key][:_MOST_PICTURES]
    if not places:
        st.caption(
            messages.plain(f"None is among the {len(pictures):,} {pictures.title}.", longest=300)
        )
        return
    tiles(
        [
            Tile(id=pictures.ids[i], caption=pictures.names[i], detail=pictures.styles[i])
            for i in places
        ],
        pictures.pictures[np.array(places)],
        label="Pictures of the concept it was taken for",
        key="zero_shot.taken_for",
        width=100,
    )


def _classify(picture: str) -> None:
    state.put("pictures", picture)
    state.put("show", "classify")
