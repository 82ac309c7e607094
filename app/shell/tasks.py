"""The reader's choice of a zero-shot task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.parts.glossary import TERMS
from app.parts.tasks import task_name
from app.shell import controls


def choose_task(tasks: Sequence[str], own: Mapping[str, str]) -> str:
    """Draws the choice of a stored task.

    Args:
      own: see `task_name`.
    """
    return controls.choice(
        "task",
        "Task",
        tasks,
        words=lambda task: task_name(task, own),
        say=False,
        help=TERMS["zero-shot"],
    )
