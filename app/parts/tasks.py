"""Zero-shot tasks: their names in words, and their order on pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from app.parts import splits

_PREFIX = "zero_shot_"
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


def in_order(tasks: Iterable[str], own: Sequence[str]) -> list[str]:
    """The tasks, each once: those of the run's own splits, in the set's order, first."""

    def order(task: str) -> tuple[int, str]:
        split = re.sub(r"_(all|split)$", "", task.removeprefix(_PREFIX))
        return (own.index(split) if split in own else len(own)), task

    return sorted({*map(str, tasks)}, key=order)
