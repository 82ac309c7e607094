"""What of an evaluation is stored in the run: nothing takes the place of something else unasked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from limoe_core.runs import Predictions, Run, RunError

if TYPE_CHECKING:
    from limoe_core.runs.experts import ExpertRecord

#: What must be the same for one result to take the place of another, besides its data.
_SETTINGS = ("split", "classes", "seed")


def store(
    run: Run,
    step: int,
    results: Mapping[str, Mapping[str, Any]],
    answers: Mapping[str, Predictions],
    *,
    replace: bool = False,
) -> list[str]:
    """Stores results and single answers by task.

    A result takes the place of an earlier one to the same question, unless the run ships: it has
    parameters alone, and others have its results as well.

    Args:
      replace: whether any result takes the place of an earlier one.

    Returns:
      a sentence for each kind of reason that something was not stored.
    """
    other, shipped = [], []
    for task, result in results.items():
        try:
            earlier = run.stored_evaluation(task, step)
        except RunError as error:
            return [f"nothing was stored: {error}"]
        if earlier is not None and not replace:
            if not _same_question(earlier, result):
                other.append(task)
                continue
            if run.is_shipped:
                shipped.append(task)
                continue
        try:
            if task in answers:
                answers[task].save(run.path, task, step)
            run.store_evaluation(task, step, {"step": step, **result})
        except OSError as error:
            return [f"the results are not stored in {run.path}: {error.strerror or error}"]
        except RunError as error:
            return [f"the results are not stored in {run.path}: {error}"]
    told = []
    if other:
        told.append(
            f"{run.name} keeps its results of {', '.join(other)} at step {step}, which were made "
            "with other data or settings; --replace puts the new ones in their place"
        )
    if shipped:
        told.append(
            f"{run.name} ships with its results of {', '.join(shipped)} at step {step}, so they "
            "stay; --replace puts the new ones in their place"
        )
    return told


def store_experts(run: Run, record: ExpertRecord, *, replace: bool = False) -> list[str]:
    """Stores what the experts of a step do, as `store` does with results.

    Returns:
      a sentence if it was not stored.
    """
    step = record.step
    if run.has("experts", step) and not replace:
        try:
            same = _question(run.experts(step)) == _question(record)
        except RunError:
            same = True  # what cannot be read is not worth keeping
        if not same:
            return [
                f"{run.name} keeps its record of the experts at step {step}, which was made with "
                "other data or settings; --replace puts the new one in its place"
            ]
        if run.is_shipped:
            return [
                f"{run.name} ships with its record of the experts at step {step}, so it stays; "
                "--replace puts the new one in its place"
            ]
    try:
        run.save_experts(record)
    except OSError as error:
        return [f"the record of the experts is not stored in {run.path}: {error.strerror or error}"]
    except RunError as error:
        return [f"the record of the experts is not stored in {run.path}: {error}"]
    return []


def _question(record: ExpertRecord) -> tuple[Any, ...]:
    told = record.told
    return (told["data"], told["splits"], told["seed"], told["group"], told["capacity_factor"])


def _same_question(earlier: Any, result: Mapping[str, Any]) -> bool:
    """Whether two results answer the same; those of version 0.4 and before have no digest."""
    if not isinstance(earlier, Mapping):
        return False
    data = "digest" if "digest" in earlier and "digest" in result else "data"
    return all(earlier.get(name) == result.get(name) for name in (data, *_SETTINGS))
