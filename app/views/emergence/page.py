"""Emergence: when did experts specialise?"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.parts import figures, messages
from app.server.runs import Runs, has_probes
from app.shell import controls, live, sidebar
from app.views.emergence import slicing
from app.views.emergence.figures import draw
from limoe_core.runs.directory import Run, RunError

_NONE = "none"


def show(run: Run) -> None:
    """Draws the page."""
    if not run.has_experts:
        messages.say(
            "info",
            f"{run.name} is a dense twin: it has no experts. Choose a run with experts in the "
            "sidebar.",
        )
        return
    layer = sidebar.choose_layer(run.routers)
    other = _choose_other(run)
    figures.choose_format()
    log = _choose_axis()
    shown = slicing.of_each([run] if other is None else [run, other])
    if live.following():
        for each, _ in shown:
            live.follow(each)
    draw(shown, layer, log=log)


def _choose_other(run: Run) -> Run | None:
    """Draws the choice of a second run to compare with; None for none."""
    runs = Runs.of(Path(run.path).parent)
    names = [name for name in runs.usable if name != run.name and _has_history(runs.listed(name))]
    with st.sidebar:
        chosen = controls.choice(
            "versus",
            "Compare with",
            [_NONE, *names],
            noun="run to compare",
            words=messages.visible,
            help="A second run with experts, drawn on the same axes: for example one without the "
            "entropy losses.",
        )
    if chosen == _NONE:
        return None
    try:
        return runs.open(chosen)
    except RunError as error:  # it went away since it was listed
        messages.say("error", f"{chosen} cannot be compared: {error}")
        return None


def _has_history(run: Run) -> bool:
    return run.has_experts and has_probes(run)


def _choose_axis() -> bool:
    """Draws the choice of a time axis, and returns whether it is logarithmic."""
    axis = controls.choice(
        "axis",
        "Steps",
        ["log", "linear"],
        noun="time axis",
        words={"log": "log steps", "linear": "linear steps"},
        look="buttons",
        label_visibility="collapsed",
    )
    return axis == "log"
