"""Stored zero-shot evaluations: their steps, their tasks, their accuracies."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import analysis
from analysis.recipes import Recorded
from app.parts import messages
from app.parts.glossary import TERMS
from app.server import recorded
from app.shell import controls
from app.views.zero_shot import splits
from limoe_core.runs.directory import Run, RunError

if TYPE_CHECKING:
    import pandas as pd

_PREFIX = "zero_shot_"


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
            if task.startswith(_PREFIX)
            for step in by_step
        }
    )


def accuracies(run: Run, step: int) -> Recorded[pd.DataFrame]:
    """`analysis.accuracy_frame` of a step, read once while the file stays the same."""
    stamp = run.stamp("evaluations")
    return recorded.measured(analysis.accuracy_frame, recorded.opened(run, stamp), step)


def choose_task(run: Run, tasks: list[str]) -> str:
    """Draws the choice of a stored task."""
    own = splits.asked_of(run)
    return controls.choice(
        "task",
        "Task",
        tasks,
        words=lambda task: task_name(task, own),
        say=False,
        help=TERMS["zero-shot"],
    )


#: After the split in a task's name: what the classes are where a split is asked twice.
_CLASSES = {"_all": ", among all names", "_split": ", among the split's names"}


def task_name(task: str, own: Sequence[str]) -> str:
    """A task in words: its pictures and classes.

    Args:
      own: splits of the data set that the run was trained on; of another one nothing is known.
    """
    name = task.removeprefix(_PREFIX)
    for split in own:
        if name.removeprefix(split) in ("", *_CLASSES):
            classes = _CLASSES.get(name.removeprefix(split), "")
            return f"{split.replace('_', ' ')}: {splits.in_words(split)}{classes}"
    return name


def in_order(frame: pd.DataFrame, own: Sequence[str]) -> list[str]:
    """The tasks of an accuracy frame: those of the run's own splits, in the set's order, first."""

    def order(task: str) -> tuple[int, str]:
        split = re.sub(r"_(all|split)$", "", task.removeprefix(_PREFIX))
        return (own.index(split) if split in own else len(own)), task

    return sorted(map(str, frame["task"].unique()), key=order)
