"""Stored evaluations: {task: {step: result}}, with the results that nobody can use left out.

Every reader of results relies on what `check` checks, so that a wrong one is found here, once, and
not on whatever page shows it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from limoe_core.confined import ANYWHERE
from limoe_core.files import write_json
from limoe_core.runs.files import MOST_EVALUATIONS, RunError, is_step, is_there, read_json

_MOST_TASKS = 500
_LONGEST_NAME = 200
#: A task's name becomes part of a file's name: that of its predictions.
_TASK = re.compile(r"[\w.:+ -]+")
#: Beginnings of the names of tasks whose results are of one kind.
ZERO_SHOT, RETRIEVAL = "zero_shot_", "retrieval_"


@dataclass(frozen=True)
class Evaluations:
    """The results of a run, and what is wrong with those that are left out."""

    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    """{task: {step: result}}, each step a string, as JSON has it."""
    damaged: tuple[str, ...] = ()
    """A sentence for each result or task that is left out."""


def read(path: Path, within: Path = ANYWHERE) -> Evaluations:
    """The usable results in `path`, and what is wrong with the others.

    Raises:
      RunError: the file cannot be read as a whole.
    """
    if not is_there(path):
        return Evaluations()
    stored = read_json(path, MOST_EVALUATIONS, within)
    if len(stored) > _MOST_TASKS:
        raise RunError(f"{path} has results of {len(stored):,} tasks; at most {_MOST_TASKS} fit")
    results: dict[str, dict[str, Any]] = {}
    damaged: list[str] = []
    for task, by_step in stored.items():
        try:
            _require_task(task, by_step)
        except _Wrong as error:
            damaged.append(f"the task {task[:40]!r}: {error}")
            continue
        results[task] = {}
        for step, result in by_step.items():
            try:
                check(task, step, result)
            except _Wrong as error:
                damaged.append(f"{task} at step {step[:20]}: {error}")
            else:
                results[task][step] = result
    return Evaluations({task: found for task, found in results.items() if found}, tuple(damaged))


def keep_until(path: Path, step: int) -> None:
    """Drops the results of later steps; what nobody can use stays as it is.

    Raises:
      RunError: the file is there and cannot be read as a whole.
    """
    if not is_there(path):
        return
    stored = read_json(path, MOST_EVALUATIONS)
    kept = {task: _until(step, by_step) for task, by_step in stored.items()}
    if kept != stored:
        write_json(path, kept)


def _until(step: int, by_step: Any) -> Any:
    if not isinstance(by_step, dict):
        return by_step
    return {n: result for n, result in by_step.items() if not is_step(n) or int(n) <= step}


class _Wrong(ValueError):
    """What is wrong with a result."""


def check(task: str, step: str, result: Any) -> None:
    """Refuses a result that lacks what its readers need.

    Raises:
      ValueError: it does, and how.
    """
    if not is_step(step):
        raise _Wrong("the step is no whole number")
    of = _Table(result, "the result")
    if task.startswith(ZERO_SHOT):
        _zero_shot(of)
    elif task.startswith(RETRIEVAL):
        _retrieval(of)


def _require_task(task: str, by_step: Any) -> None:
    if len(task) > _LONGEST_NAME or not _TASK.fullmatch(task):
        raise _Wrong("its name is not a plain one")
    if not isinstance(by_step, dict):
        raise _Wrong("it holds no results by step")


def _zero_shot(result: _Table) -> None:
    for name in ("split", "data", "headline_language"):
        result.text(name)
    for name in ("n", "concepts", "ways"):
        result.count(name)
    _accuracy(result)
    _accuracy(result.table("mean_over_languages"))
    for language in result.tables("languages"):
        _accuracy(language)
    if "chance" in result.values:
        for k in ("top1", "top5"):
            result.table("chance").share(k)
    for features in result.tables("nearest_picture", needed=False):
        _accuracy(features)
    for groups in ("categories", "styles", "strata", "familiarity"):
        for group in result.tables(groups, needed=False):
            group.count("n")
            _accuracy(group)
            _accuracy(group.table("mean_over_languages"))
    if "not_named" in result.values:
        unnamed = result.table("not_named")
        unnamed.count("n")
        unnamed.count("concepts")
        _accuracy(unnamed)
    if "prompt_ensemble" in result.values:
        _accuracy(result.table("prompt_ensemble"))


def _accuracy(table: _Table) -> None:
    for k in ("top1", "top5"):
        table.estimate(k)
    if "ceiling" in table.values:
        table.share("ceiling")


def _retrieval(result: _Table) -> None:
    for name in ("split", "data"):
        result.text(name)
    result.count("n")
    for language in result.tables("languages"):
        language.count("texts")
        for way in ("image_to_text", "text_to_image"):
            recalls = language.table(way)
            for name in recalls.values:
                if not re.fullmatch(r"r[0-9]{1,4}", name):
                    raise _Wrong(f"{name[:40]!r} is no recall")
                recalls.estimate(name)
                if "chance" in language.values:
                    language.table("chance").table(way).share(name)


@dataclass(frozen=True)
class _Table:
    """A table of a result that asks for its entries by what they must be."""

    values: Mapping[str, Any]
    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.values, dict):
            raise _Wrong(f"{self.name} is no table")
        for name in self.values:
            if len(name) > _LONGEST_NAME:
                raise _Wrong(f"{self.name} has a name of {len(name):,} characters")

    def table(self, name: str) -> _Table:
        return _Table(self._entry(name), name)

    def tables(self, name: str, needed: bool = True) -> list[_Table]:
        if not needed and name not in self.values:
            return []
        outer = self.table(name)
        if not outer.values and needed:
            raise _Wrong(f"{name} is empty")
        return [_Table(inner, each) for each, inner in outer.values.items()]

    def text(self, name: str) -> None:
        value = self._entry(name)
        if not isinstance(value, str) or len(value) > _LONGEST_NAME:
            raise _Wrong(f"{name} is no name")

    def count(self, name: str) -> None:
        value = self._entry(name)
        if type(value) is not int or not 1 <= value <= 10**12:
            raise _Wrong(f"{name} is no number of things")

    def share(self, name: str) -> None:
        value = self._entry(name)
        # The middle of an interval of resampled means may exceed 1 by a rounding error.
        if type(value) not in (int, float) or not -1e-6 <= value <= 1 + 1e-6:
            raise _Wrong(f"{self.name}: {name} is no share")

    def estimate(self, name: str) -> None:
        of = self.table(name)
        for part in ("value", "low", "high"):
            of.share(part)

    def _entry(self, name: str) -> Any:
        if name not in self.values:
            raise _Wrong(f"{self.name} has no {name}")
        return self.values[name]
