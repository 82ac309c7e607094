"""Stored accuracies by task, language, category and style, with the dense twin's."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from math import isnan
from typing import TYPE_CHECKING, Any

import streamlit as st

import analysis
from analysis import figures as drawn
from analysis.recipes import record
from app.parts import figures, messages, splits, tables
from app.parts.export import take_away
from app.parts.glossary import TERMS, help_text
from app.parts.tasks import in_order
from app.parts.twins import is_twin
from app.server import recorded
from app.server.runs import Runs
from app.shell import controls
from app.shell.tasks import choose_task
from app.views.zero_shot import differences, slicing
from app.views.zero_shot.tasks import accuracies, evaluated_steps
from limoe_core.runs.directory import Run, RunError

if TYPE_CHECKING:
    import pandas as pd

_NONE = "none"
#: Groups of `analysis.accuracy_frame` with their names on the page.
_GROUPS = {
    "language": "language",
    "category": "category",
    "category, mean over languages": "category, all languages",
    "style": "style",
    "style, mean over languages": "style, all languages",
    "stratum": "stratum",
    "stratum, mean over languages": "stratum, all languages",
    "familiarity": "familiarity of the name",
    "familiarity, mean over languages": "familiarity of the name, all languages",
}


def show(run: Run, step: int) -> None:
    """Draws the view."""
    compared = _choose_twin(run, step)
    frames = {run.name: accuracies(run, step)}
    if compared is not None:
        other, at = compared
        frames[other.name] = accuracies(other, at)
    frame = frames[run.name].value
    joined = record(analysis.join_runs, frames)
    tasks = in_order(frame["task"], splits.asked_of(run))
    left, middle, right = st.columns([5, 3, 1])
    with left:
        task = choose_task(tasks, splits.asked_of(run))
    with middle:
        group = _choose_group(frame, task)
    with right:
        k = _choose_k()
    slicing.show_accuracy(run, task, step)
    _numbers({name: each.value for name, each in frames.items()}, task, k)
    wide, narrow = st.columns([3, 2])
    with wide:
        st.header(f"Top-{k} by {_GROUPS[group]}", anchor=False, help=help_text("top-k", "ceiling"))
        figures.show(
            record(drawn.accuracy_figure, frames, task, group, k=k),
            joined,
            file=f"accuracy-{task}-{group}-{run.name}-step{step}",
            note=_note(frame, task, group),
        )
    with narrow:
        st.header("All tasks", anchor=False, help=TERMS["zero-shot"])
        figures.show(
            record(drawn.tasks_figure, frames, k=k),
            joined,
            file=f"tasks-{run.name}-step{step}",
            note="Headline: in the first language. Hatched: the mean over languages. Whiskers: "
            "95 % intervals over concepts.",
        )
    if compared is not None:
        differences.show(run, step, *compared)
    _retrieval(run, step)


def _choose_group(frame: pd.DataFrame, task: str) -> str:
    have = set(frame.loc[frame["task"] == task, "group"])
    groups = [group for group in _GROUPS if group in have] or ["language"]
    return controls.choice(
        "group",
        "By",
        groups,
        noun="grouping",
        words=_GROUPS,
        say=False,
        help="Groups of pictures: in the first language, or as the mean over all languages. "
        "Strata: flags; siblings, which are variants of one another, such as a man and a woman "
        f"surfing; the rest. Familiarity: {TERMS['familiarity']}",
    )


def _choose_k() -> int:
    return controls.choice("k", "Top", [1, 5], noun="k", look="buttons", help=TERMS["top-k"])


def _numbers(frames: dict[str, pd.DataFrame], task: str, k: int) -> None:
    """Draws the headline accuracy of each run."""
    for name, frame in frames.items():
        rows = frame[(frame["task"] == task) & (frame["k"] == k)]
        of_group = {str(row["group"]): row for row in rows.to_dict("records")}
        if "headline" not in of_group:
            messages.say("info", f"{name} has no stored result for this task.")
            continue
        head, mean = of_group["headline"], of_group["mean over languages"]
        ensemble, unnamed = "", ""
        if "prompt ensemble" in of_group:
            ensemble = f" · prompt ensemble {_estimate(of_group['prompt ensemble'])}"
        if "not named in training" in of_group:
            new = of_group["not named in training"]
            unnamed = (
                f" · without the {int(head['concepts'] - new['concepts']):,} concepts that are "
                f"named in training: {_estimate(new)}, n = {int(new['n']):,}"
            )
        st.markdown(
            f"**{messages.plain(name)}**, step {int(head['step']):,}: top-{k} in "
            f"{messages.plain(head['name'])} **{_estimate(head)}**{ensemble} · mean over languages "
            f"**{_estimate(mean)}** · n = {int(head['n']):,} pictures of "
            f"{int(head['concepts']):,} concepts, {int(head['ways']):,} names, chance "
            f"{head['chance']:.2%}{unnamed}{_nearest(rows)}",
            help=TERMS["nearest picture"],
        )


def _nearest(rows: pd.DataFrame) -> str:
    """What the nearest labelled picture reaches, which needs no model."""
    found = rows[rows["group"] == "nearest picture"].sort_values("value", ascending=False)
    told = [f"{row['name']} {_estimate(row)}" for row in found.to_dict("records")]
    return f" · nearest labelled picture: {', '.join(told)}" if told else ""


def _estimate(row: Mapping[Hashable, Any]) -> str:
    return f"{row['value']:.1%} ({row['low']:.1%} to {row['high']:.1%})"


def _note(frame: pd.DataFrame, task: str, group: str) -> str:
    rows = frame[(frame["task"] == task) & (frame["group"] == group)]
    language = frame.loc[(frame["task"] == task) & (frame["group"] == "headline"), "name"].iloc[0]
    what = "" if group == "language" or "mean" in group else f" in {language}"
    return (
        f"n = {int(rows['n'].max()) if group == 'language' else int(rows['n'].sum()) // 2:,} "
        f"pictures of {rows['data'].iloc[0]}, split {rows['split'].iloc[0]}{what}. 95 % intervals "
        "resample concepts. Dotted: chance. Tick: ceiling."
    )


# ---- the other run


def _choose_twin(run: Run, step: int) -> tuple[Run, int] | None:
    """Draws the choice of a run to compare with; the dense twin by default, if there is one."""
    runs = Runs.of(run.path.parent)
    listed = {name: runs.listed(name) for name in runs.usable if name != run.name}
    others = {name: other for name, other in listed.items() if other.has("evaluations")}
    twins = [name for name, other in others.items() if is_twin(run.config, other.config)]
    default = twins[0] if twins else _NONE
    with st.sidebar:
        chosen = controls.choice(
            "versus",
            "Compare with",
            [_NONE, *others],
            default=default,
            noun="run to compare",
            words=lambda name: messages.visible(name) + (" (dense twin)" if name in twins else ""),
            say=False,
            help=TERMS["dense twin"],
        )
    if chosen == _NONE:
        return None
    try:
        other = runs.open(chosen)
    except RunError as error:  # it went away since it was listed
        messages.say("error", f"{chosen} cannot be compared: {error}")
        return None
    steps = evaluated_steps(other)
    if not steps:
        messages.say("info", f"{chosen} has no stored zero-shot results.")
        return None
    return other, step if step in steps else steps[-1]


# ---- what leaves


def _retrieval(run: Run, step: int) -> None:
    results = record(analysis.retrieval_frame, recorded.opened(run), step)
    frame = results.value
    if frame.empty:
        return
    st.header(
        "Retrieval",
        anchor=False,
        help="Recall at k. Image to text: is the picture's name among the k nearest names of the "
        "split? Text to image: is a picture of that name among the k nearest pictures?",
    )
    table = frame.assign(
        recall=[
            f"{row['value']:.1%} ({row['low']:.1%} to {row['high']:.1%})"
            + ("" if isnan(row["chance"]) else f"; chance {row['chance']:.1%}")
            for row in frame.to_dict("records")
        ]
    ).pivot(
        index=["split", "language", "direction", "images", "texts"], columns="k", values="recall"
    )
    table.columns = [f"R@{k}" for k in table.columns]
    tables.show(table.reset_index(), hide_index=True, height=260)
    st.caption("With 95 % intervals.")
    take_away(
        results,
        file=f"retrieval-{run.name}-step{step}",
        what="the retrieval results",
    )
