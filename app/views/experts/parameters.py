"""Helpers for views that need the model's parameters, not only recorded routing."""

from __future__ import annotations

from app.parts import messages
from app.server import runs
from app.views.experts.probe_view import Source
from limoe_core.runs.directory import RunError


def step_with_parameters(source: Source) -> int:
    """The chosen step, or with a message the nearest step that has parameters.

    Raises:
      RunError: there are none at all.
    """
    stored = source.run.steps()
    if not stored:
        raise RunError(f"{source.run.name} holds no parameters, which this view needs")
    nearest = min(stored, key=lambda step: abs(step - source.step))
    if nearest != source.step:
        messages.say(
            "info",
            f"Step {source.step:,} has a probe trace but no parameters; what follows uses step "
            f"{nearest:,}, the nearest with parameters.",
        )
    return nearest


def mark(source: Source, step: int) -> tuple[str, int, tuple[int, ...]]:
    """Identity of the model for the key of a job."""
    return str(source.run.path), step, runs.model_stamp(source.run, step)
