"""The two sides of a comparison: a run at a step, and another run or another step."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import streamlit as st

from app.parts import messages
from app.parts.glossary import TERMS
from app.parts.twins import is_twin
from app.server.runs import Run, RunError, Runs, evaluations, has_probes
from app.shell import controls, sidebar


@dataclass(frozen=True)
class Side:
    """A run at a step."""

    run: Run
    step: int

    @property
    def has_trace(self) -> bool:
        """Whether a probe trace was recorded at the step."""
        return self.step in self.run.probe_steps()


@dataclass(frozen=True)
class Sides:
    """What is compared with what."""

    one: Side
    other: Side

    @property
    def same_run(self) -> bool:
        """Whether these are two steps of one run."""
        return self.one.run.path == self.other.run.path

    @property
    def names(self) -> tuple[str, str]:
        """What tells the two apart: runs by their names, and steps where they differ."""
        sides = self.one, self.other
        if self.same_run:
            first, second = (f"step {side.step:,}" for side in sides)
        elif self.one.step == self.other.step:
            first, second = (side.run.name for side in sides)
        else:
            first, second = (f"{side.run.name}, step {side.step:,}" for side in sides)
        return first, second

    @property
    def file(self) -> str:
        """Part of the names of saved files."""
        one, other = self.one, self.other
        return f"{one.run.name}-{one.step}-and-{other.run.name}-{other.step}"


def choose(run: Run) -> Sides | None:
    """Draws the choice of both sides; None, with a message, where there is only one.

    Raises:
      RunError: the run holds traces of another model alone.
    """
    _ = run.config
    steps = _steps(run)
    if not steps:
        messages.say(
            "info", f"{run.name} has no checkpoint, probe trace or evaluation yet to compare."
        )
        return None
    step = sidebar.choose_step(steps)
    other = _choose_other(run, steps)
    if other is None:
        return None
    theirs = steps if other.path == run.path else _steps(other)
    if not theirs:
        messages.say("info", f"{other.name} has no checkpoint, probe trace or evaluation yet.")
        return None
    # At the same step where the other is a run of its own, else at the step that is farthest.
    nearest = min(theirs, key=lambda each: abs(each - step))
    default = theirs[0] if other.path == run.path and step != theirs[0] else nearest
    if other.path == run.path and default == step:
        default = theirs[-1]
    with st.sidebar:
        at = controls.choice(
            "at",
            "Its step",
            theirs,
            default=default,
            noun="step of the other",
            words=lambda each: f"{each:,}",
            look="slider",
            pinned=True,
            say=False,
            shown=len(theirs) > 1,
            help=TERMS["step"],
        )
    sides = Sides(Side(run, step), Side(other, at))
    if sides.same_run and step == at:
        messages.say("info", "Both sides are the same step: choose another one in the sidebar.")
    return sides


def _choose_other(run: Run, steps: list[int]) -> Run | None:
    runs = Runs.of(run.path.parent)
    listed = {name: runs.listed(name) for name in runs.usable}
    listed = {name: other for name, other in listed.items() if other.other is None}
    names = [name for name in listed if name != run.name] + ([run.name] if len(steps) > 1 else [])
    if not names:
        messages.say("info", "There is no other run and no other step to compare with yet.")
        return None
    twins = {name for name in names if is_twin(run.config, listed[name].config)}
    routed = [n for n in names if n != run.name and listed[n].config.model.experts]
    probed = [name for name in routed if has_probes(listed[name])]
    with st.sidebar:
        chosen = controls.choice(
            "versus",
            "Compare with",
            names,
            default=[*sorted(twins), *probed, *routed, *names][0],
            noun="run to compare",
            words=lambda name: _words(name, run, twins),
            pinned=True,
            say=False,
            help="Another run, or another step of this one.",
        )
    if chosen == run.name:
        return run
    try:
        return runs.open(chosen)
    except RunError as error:  # it went away since it was listed
        messages.say("error", f"{chosen} cannot be compared: {error}")
        return None


def _words(name: str, run: Run, twins: set[str]) -> str:
    shown = messages.visible(name)
    if name == run.name:
        return f"{shown}, another step"
    return f"{shown} (dense twin)" if name in twins else shown


def _steps(run: Run) -> list[int]:
    """Steps of a run with anything to compare, rising."""
    found = {*run.steps(), *run.probe_steps()}
    with suppress(RunError):  # the view that needs them says so
        results, _ = evaluations(run)
        found |= {int(step) for by_step in results.values() for step in by_step}
    return sorted(found)
