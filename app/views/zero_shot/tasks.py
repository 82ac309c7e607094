"""Stored zero-shot evaluations: their steps, their tasks, their accuracies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import analysis
from analysis.recipes import Recorded
from app.parts import messages
from app.parts.glossary import TERMS
from app.server import recorded
from app.shell import controls
from limoe_core.runs.directory import Run, RunError

if TYPE_CHECKING:
    import pandas as pd


def evaluated_steps(run: Run) -> list[int]:
    """Steps with a stored zero-shot evaluation, rising, with a message about damaged ones."""
    try:
        stored, damaged = run.evaluations(), run.damaged_evaluations()
    except RunError as error:
        messages.say("error", f"The evaluations of {run.name} cannot be read: {error}")
        return []
    if damaged:
        messages.say(
            "warning",
            f"{messages.counted(len(damaged), 'result')} of {run.name} cannot be shown: "
            f"{damaged[0]}.",
        )
    return sorted(
        {
            int(step)
            for task, by_step in stored.items()
            if task.startswith("zero_shot_")
            for step in by_step
        }
    )


def accuracies(run: Run, step: int) -> Recorded[pd.DataFrame]:
    """`analysis.accuracy_frame` of a step, read once while the file stays the same."""
    stamp = run.stamp("evaluations")
    return recorded.measured(analysis.accuracy_frame, recorded.opened(run, stamp), step)


def choose_task(tasks: list[str]) -> str:
    """Draws the choice of a stored task."""
    return controls.choice(
        "task", "Task", tasks, words=task_name, say=False, help=TERMS["zero-shot"]
    )


def task_name(task: str) -> str:
    """A task in words: its pictures and classes."""
    pictures = {
        "test_style": "test style: trained concepts in an art style that training left out",
        "test_concept": "test concept: concepts that training never saw",
        "validation": "validation: concepts that training never saw",
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
        if task.startswith(f"zero_shot_{split}"):  # not of another data set
            return place, task
    return 9, task
