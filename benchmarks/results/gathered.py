"""What a LIMoE and its dense twin hold of one step: all that the pages tell."""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

import analysis
from limoe_core.data.registry import data_set
from limoe_core.runs import Predictions, Run, RunError
from limoe_core.runs.experts import ExpertRecord

ZERO_SHOT = "zero_shot_"

Row = dict[Hashable, Any]


@dataclass(frozen=True)
class Results:
    """A LIMoE and its dense twin at the newest step at which both were evaluated."""

    limoe: Run
    twin: Run
    step: int

    @classmethod
    def of(cls, limoe: Run, twin: Run) -> Results:
        """Opens what they hold.

        Raises:
          RunError: they were not evaluated at one step, or have no zero-shot task in common.
        """
        steps = set.intersection(*(_steps(run) for run in (limoe, twin)))
        if not steps:
            raise RunError(
                f"{limoe.name} and {twin.name} have no evaluated step in common; "
                "python -m limoe_core.evaluate --run makes it"
            )
        found = cls(limoe, twin, max(steps))
        if not found.tasks:
            raise RunError(
                f"{limoe.name} and {twin.name} were asked none of the splits of their data set; "
                "python -m limoe_core.evaluate --run does it"
            )
        return found

    @property
    def runs(self) -> tuple[Run, Run]:
        """The LIMoE and its twin."""
        return self.limoe, self.twin

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """Zero-shot tasks that both were asked of their own data, those of known concepts first."""
        both = [set(self.frames[run.name]["task"]) for run in self.runs]
        own = list(data_set(self.limoe.config.data).tasks)
        order = {
            task: (own.index(split), task)
            for task in set.intersection(*both)
            if (split := split_of(task)) in own
        }
        return tuple(sorted(order, key=order.__getitem__))

    @cached_property
    def frames(self) -> dict[str, pd.DataFrame]:
        """`analysis.accuracy_frame` of each run, by name."""
        return {run.name: analysis.accuracy_frame(run, self.step) for run in self.runs}

    @cached_property
    def answers(self) -> dict[str, tuple[Predictions, Predictions]]:
        """Both runs' answers by task."""
        return {
            task: (self.limoe.predictions(task, self.step), self.twin.predictions(task, self.step))
            for task in self.tasks
        }

    @cached_property
    def differences(self) -> pd.DataFrame:
        """`analysis.compare_accuracies` of all tasks."""
        mine, others = (
            {task: both[place] for task, both in self.answers.items()} for place in range(2)
        )
        return analysis.compare_accuracies(mine, others)

    @cached_property
    def experts(self) -> ExpertRecord | None:
        """What was measured of the experts at this step, if it was."""
        return self.limoe.experts(self.step) if self.limoe.has("experts", self.step) else None

    def accuracy(self, run: Run, task: str, group: str, k: int, name: str = "") -> Row | None:
        """A row of `frames`; None where there is none.

        Args:
          name: of the member of the group, where it has several.
        """
        frame = self.frames[run.name]
        rows = frame[(frame["task"] == task) & (frame["group"] == group) & (frame["k"] == k)]
        rows = rows[rows["name"] == name] if name else rows
        return rows.iloc[0].to_dict() if len(rows) else None

    def difference(self, task: str, names: str, k: int) -> Row:
        """A row of `differences`; names: "first language" or "all languages"."""
        frame = self.differences
        rows = frame[(frame["task"] == task) & (frame["names"] == names) & (frame["k"] == k)]
        return rows.iloc[0].to_dict()


def find(folder: Path) -> Results:
    """The LIMoE and the dense twin that ship: those with a model card.

    Raises:
      RunError: there are not two such runs, one with experts, or they were not evaluated.
    """
    runs = [Run.open(card.parent) for card in sorted(folder.glob("*/README.md"))]
    with_experts = [run for run in runs if run.has_experts]
    dense = [run for run in runs if not run.has_experts]
    if len(with_experts) != 1 or len(dense) != 1:
        raise RunError(
            f"{folder} has {len(runs)} runs with a README.md; name the LIMoE and its twin with "
            "--limoe and --twin"
        )
    return Results.of(with_experts[0], dense[0])


def split_of(task: str) -> str:
    """The split that a zero-shot task asks, as its name has it."""
    return re.sub(r"_(all|split)$", "", task.removeprefix(ZERO_SHOT))


def _steps(run: Run) -> set[int]:
    return {
        int(step)
        for task, by_step in run.evaluations().items()
        if task.startswith(ZERO_SHOT)
        for step in by_step
    }
