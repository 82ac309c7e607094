"""Emergence: when did experts specialise?"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.parts import figures, messages
from app.parts.glossary import TERMS
from app.server.runs import Runs, has_probes
from app.shell import controls, sidebar
from app.views.emergence.figures import draw
from app.views.emergence.history import Progress
from limoe_core.runs.directory import Run, RunError

_NONE = "none"
_EVERY = 5.0  # seconds between looks at a growing run


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
    log, live = _choose_axis(run)
    shown = [run] if other is None else [run, other]

    def redraw() -> None:
        with messages.spoken(run.name):  # it is drawn again by itself, when the run may be gone
            draw(shown, layer, log=log)

    st.fragment(redraw, run_every=_EVERY if live else None)()


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


def _choose_axis(run: Run) -> tuple[bool, bool]:
    """Draws the choices of a logarithmic time axis and of following the run."""
    progress = Progress.of(run)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        axis = controls.choice(
            "axis",
            "Steps",
            ["log", "linear"],
            noun="time axis",
            words={"log": "log steps", "linear": "linear steps"},
            look="buttons",
            label_visibility="collapsed",
        )
        live = controls.toggle(
            "live",
            "Follow the run while it trains",
            default=progress is not None and progress.growing,
            help=f"Checks the run's folder every {_EVERY:g} seconds.\n\n" + TERMS["step"],
        )
    return axis == "log", live
