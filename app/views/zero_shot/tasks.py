"""Stored zero-shot evaluations: their steps, their tasks, their accuracies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import analysis
from analysis.recipes import Recorded
from app.parts import messages
from app.server import recorded, runs
from limoe_core.runs.directory import Run, RunError

if TYPE_CHECKING:
    import pandas as pd

_PREFIX = "zero_shot_"


def evaluated_steps(run: Run) -> list[int]:
    """Steps with a stored zero-shot evaluation, rising, with a message about damaged ones."""
    try:
        stored, damaged = runs.evaluations(run)
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
