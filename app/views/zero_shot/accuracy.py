"""Stored accuracies: by task, language, category and style, beside the dense twin."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

import analysis
from analysis import figures as drawn
from app.parts import figures, messages
from app.parts.export import take_away
from app.parts.glossary import TERMS, help_text
from app.server.runs import Runs
from app.shell import state
from app.views.zero_shot.page import evaluated_steps
from limoe_core.config import Config, LossConfig
from limoe_core.presets import dense_twin
from limoe_core.runs.directory import Run, RunError

if TYPE_CHECKING:
    import pandas as pd

_NONE = "none"
#: Groups of `analysis.accuracy_frame`, and how they are called.
_GROUPS = {
    "language": "language",
    "category": "category",
    "category, mean over languages": "category, all languages",
    "style": "style",
    "style, mean over languages": "style, all languages",
}


def show(run: Run, step: int) -> None:
    """Draws the view."""
    frame = accuracies(run, step)
    compared = _choose_twin(run, step)
    frames = {run.name: frame}
    paths = {run.name: (run, step)}
    if compared is not None:
        other, at = compared
        frames[other.name] = accuracies(other, at)
        paths[other.name] = compared
    tasks = in_order(frame)
    left, middle, right = st.columns([5, 3, 1])
    with left:
        task = choose_task(tasks)
    with middle:
        group = _choose_group(frame, task)
    with right:
        k = _choose_k()
    _numbers(frames, task, k)
    wide, narrow = st.columns([3, 2])
    with wide:
        st.subheader(
            f"Top-{k} by {_GROUPS[group]}", anchor=False, help=help_text("top-k", "ceiling")
        )
        figures.show(
            drawn.accuracy_figure(frames, task, group, k=k),
            lambda: _joined(frames),
            _recipe(paths, f"accuracy_figure(frames, {task!r}, {group!r}, k={k})"),
            file=f"accuracy-{task}-{group}-{run.name}-step{step}",
            note=_note(frame, task, group),
        )
    with narrow:
        st.subheader("Every task", anchor=False, help=TERMS["zero-shot"])
        figures.show(
            drawn.tasks_figure(frames, k=k),
            lambda: _joined(frames),
            _recipe(paths, f"tasks_figure(frames, k={k})"),
            file=f"tasks-{run.name}-step{step}",
            note="Headline: in the first language. Hatched: the mean over languages. Whiskers: "
            "95 % intervals over concepts.",
        )
    _retrieval(run, step)


def accuracies(run: Run, step: int) -> pd.DataFrame:
    """`analysis.accuracy_frame` of a step, read once while the file stays the same."""
    return _accuracies(str(run.path), step, run.stamp("evaluations"), run)


@st.cache_data(max_entries=64, show_spinner=False)
def _accuracies(path: str, step: int, changed: tuple[int, int], _run: Run) -> pd.DataFrame:
    return analysis.accuracy_frame(_run, step)


def choose_task(tasks: list[str]) -> str:
    """Draws the choice of a stored task."""
    task = state.get("task", state.one_of(tasks, "task"), tasks[0], say=False)
    st.session_state["zero_shot.task"] = task
    st.selectbox(
        "Task",
        tasks,
        key="zero_shot.task",
        format_func=task_name,
        on_change=state.bind("task", "zero_shot.task"),
        help=TERMS["zero-shot"],
    )
    return task


def task_name(task: str) -> str:
    """A task in words: which pictures, which classes."""
    pictures = {
        "test_style": "test style: concepts seen, drawn in a style kept out",
        "test_concept": "test concept: concepts never seen",
        "validation": "validation: concepts never seen",
    }
    name = task.removeprefix("zero_shot_")
    for split, words in pictures.items():
        if name == split:
            return words
        if name == f"{split}_all":
            return f"{words}, among all names"
        if name == f"{split}_split":
            return f"{words}, among the split's names"
    return name


def in_order(frame: pd.DataFrame) -> list[str]:
    """The tasks of an accuracy frame, those of learned concepts first."""
    return sorted(map(str, frame["task"].unique()), key=_order)


def _order(task: str) -> tuple[int, str]:
    for place, split in enumerate(("test_style", "test_concept", "validation")):
        if split in task:
            return place, task
    return 9, task


def _choose_group(frame: pd.DataFrame, task: str) -> str:
    have = set(frame.loc[frame["task"] == task, "group"])
    groups = [group for group in _GROUPS if group in have] or ["language"]
    group = state.get("group", state.one_of(groups, "grouping"), groups[0], say=False)
    st.session_state["zero_shot.group"] = group
    st.selectbox(
        "By",
        groups,
        key="zero_shot.group",
        format_func=_GROUPS.__getitem__,
        on_change=state.bind("group", "zero_shot.group"),
        help="Categories and styles: in the first language, or as the mean over all languages.",
    )
    return group


def _choose_k() -> int:
    k = state.get("k", state.number_among([1, 5], "k"), 1)
    st.session_state["zero_shot.k"] = k
    st.segmented_control(
        "Top",
        [1, 5],
        key="zero_shot.k",
        required=True,
        on_change=state.bind("k", "zero_shot.k"),
        help=TERMS["top-k"],
    )
    return k


def _numbers(frames: dict[str, pd.DataFrame], task: str, k: int) -> None:
    """The headline of each run in a sentence."""
    for name, frame in frames.items():
        rows = frame[(frame["task"] == task) & (frame["k"] == k)]
        of_group = {str(row["group"]): row for row in rows.to_dict("records")}
        if "headline" not in of_group:
            messages.say("info", f"{name} has no stored result of this task.")
            continue
        head, mean = of_group["headline"], of_group["mean over languages"]
        ensemble = ""
        if "prompt ensemble" in of_group:
            ensemble = f" · prompt ensemble {_estimate(of_group['prompt ensemble'])}"
        st.markdown(
            f"**{messages.plain(name)}**, step {int(head['step']):,}: top-{k} in "
            f"{messages.plain(head['name'])} **{_estimate(head)}**{ensemble} · mean over languages "
            f"**{_estimate(mean)}** · n = {int(head['n']):,} pictures of "
            f"{int(head['concepts']):,} concepts, {int(head['ways']):,} names, chance "
            f"{head['chance']:.2%}"
        )


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
    """A run to set beside this one: by default its dense twin, if there is one."""
    runs = Runs.of(run.path.parent)
    others = {}
    for name in runs.usable:
        if name == run.name:
            continue
        try:
            other = runs.open(name)
        except RunError:
            continue
        if other.has("evaluations"):
            others[name] = other
    twins = [name for name, other in others.items() if is_twin(run.config, other.config)]
    default = twins[0] if twins else _NONE
    chosen = state.get(
        "versus", state.one_of([_NONE, *others], "run to compare"), default, say=False
    )
    with st.sidebar:
        st.session_state["zero_shot.versus"] = chosen
        st.selectbox(
            "Beside it",
            [_NONE, *others],
            key="zero_shot.versus",
            format_func=lambda name: f"{name} (dense twin)" if name in twins else name,
            on_change=state.bind("versus", "zero_shot.versus"),
            help=TERMS["dense twin"],
        )
    if chosen == _NONE:
        return None
    steps = evaluated_steps(others[chosen])
    if not steps:
        messages.say("info", f"{chosen} has no stored zero-shot results.")
        return None
    return others[chosen], step if step in steps else steps[-1]


def is_twin(config: Config, other: Config) -> bool:
    """Whether one is the dense twin of the other: alike in all that a dense model has."""
    if bool(config.model.experts) == bool(other.model.experts):
        return False
    return _dense(config) == _dense(other)


def _dense(config: Config) -> Config:
    """The settings that matter without experts."""
    twin = dense_twin(config)
    plain = type(twin.model)()
    routers = {
        name: getattr(plain, name)
        for name in (
            "moe_every",
            "top_k",
            "capacity_factor",
            "eval_capacity_factor",
            "batch_priority",
            "router_noise",
        )
    }
    loss = LossConfig(
        initial_temperature=twin.loss.initial_temperature,
        min_temperature=twin.loss.min_temperature,
        max_temperature=twin.loss.max_temperature,
    )
    rhythm = dataclasses.replace(
        twin.train,
        log_every=1,
        evaluate_every=0,
        checkpoint_every=1,
        keep_checkpoints=0,
        keep_period=0,
        probe_pairs=1,
        probe_every=1,
        tensorboard=False,
    )
    return dataclasses.replace(
        twin,
        model=dataclasses.replace(twin.model, **routers),
        loss=loss,
        train=rhythm,
        data=dataclasses.replace(twin.data, dir=None),
    )


# ---- what leaves


def _joined(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat([frame.assign(run=name) for name, frame in frames.items()], ignore_index=True)


def _recipe(paths: dict[str, tuple[Run, int]], call: str) -> str:
    opened = ", ".join(f"({str(run.path)!r}, {step})" for run, step in paths.values())
    return f"""import analysis
from analysis import figures
from limoe_core.runs.directory import Run

runs = [{opened}]
frames = {{
    run.name: analysis.accuracy_frame(run, step)
    for run, step in ((Run.open(path), step) for path, step in runs)
}}
frame = next(iter(frames.values()))
figure = figures.{call}
"""


def _retrieval(run: Run, step: int) -> None:
    frame = analysis.retrieval_frame(run, step)
    if frame.empty:
        return
    st.subheader(
        "Retrieval",
        anchor=False,
        help="Recall at k. Image to text: is the picture's name among the k nearest names of the "
        "split? Text to image: is a picture of that name among the k nearest pictures?",
    )
    table = frame.assign(
        recall=[
            f"{value:.1%} ({low:.1%} to {high:.1%})"
            for value, low, high in zip(frame["value"], frame["low"], frame["high"], strict=True)
        ]
    ).pivot(
        index=["split", "language", "direction", "images", "texts"], columns="k", values="recall"
    )
    table.columns = [f"R@{k}" for k in table.columns]
    st.dataframe(table.reset_index(), hide_index=True, height=260)
    st.caption("With 95 % intervals.")
    take_away(
        lambda: frame,
        analysis.recipe("retrieval", run.path, step),
        file=f"retrieval-{run.name}-step{step}",
        what="the retrieval results",
    )
