"""Zero-shot tasks: their names in words, and their order on pages."""

from __future__ import annotations

from collections.abc import Iterable


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


def in_order(tasks: Iterable[str]) -> list[str]:
    """The tasks, each once, those of learned concepts first."""
    return sorted({*tasks}, key=_order)


def _order(task: str) -> tuple[int, str]:
    for place, split in enumerate(("test_style", "test_concept", "validation")):
        if task.startswith(f"zero_shot_{split}"):  # not of another data set
            return place, task
    return 9, task
