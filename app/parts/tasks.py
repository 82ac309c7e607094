"""Zero-shot tasks: their names in words, and their order on pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_PREFIX = "zero_shot_"
#: After the split in a task's name: what the classes are where a split is asked twice.
_CLASSES = {"_all": ", among all names", "_split": ", among the split's names"}


def task_name(task: str, own: Mapping[str, str]) -> str:
    """A task in words: its pictures and classes.

    Args:
      own: splits of the data set that the run was trained on, in words, see `splits.asked_of`; of
        another set nothing is known.
    """
    name = task.removeprefix(_PREFIX)
    for split, words in own.items():
        if name.removeprefix(split) in ("", *_CLASSES):
            classes = _CLASSES.get(name.removeprefix(split), "")
            return f"{split.replace('_', ' ')}: {words}{classes}"
    return name


def in_order(tasks: Iterable[str], own: Iterable[str]) -> list[str]:
    """The tasks, each once: those of the run's own splits, in the set's order, first."""

    place = {split: number for number, split in enumerate(own)}

    def order(task: str) -> tuple[int, str]:
        split = re.sub(r"_(all|split)$", "", task.removeprefix(_PREFIX))
        return place.get(split, len(place)), task

    return sorted({*map(str, tasks)}, key=order)
