"""Curves: every logged scalar of one run or several on one axis."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

import analysis
from analysis import figures as drawn
from analysis.recipes import Recorded, record
from analysis.training import measure
from app.parts import figures, messages
from app.parts.glossary import TERMS
from app.server.logs import Logged
from app.server.runs import Run
from app.shell import controls, sidebar

if TYPE_CHECKING:
    import pandas as pd

#: Groups of measures, with their name on the page and the term that explains them.
_GROUPS = {
    "loss": ("Loss", "contrastive loss"),
    "auxiliary": ("Auxiliary losses", "auxiliary losses"),
    "optimizer": ("Optimizer", "optimizer"),
    "throughput": ("Throughput", "throughput"),
    "validation": ("Validation", "validation"),
    "routers": ("Routers", "routers in training"),
    "other": ("Other", "run"),
}
_AXES: dict[str, str] = {"step": "steps", "pictures": "pictures", "hours": "hours"}
#: Half-lives of the moving average, in steps.
_HALF_LIVES = (0, 10, 30, 100, 300, 1000)


@dataclass(frozen=True)
class Look:
    """What the reader chose to see, and how."""

    group: str
    axis: str
    log_x: bool
    log_y: bool
    half_life: int
    layer: int | None


def choose(run: Run) -> Look:
    """Draws the choices of curves, axes and smoothing."""
    model = run.config.model
    layer = sidebar.choose_layer(run.routers) if model.experts else None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        group = controls.choice(
            "show",
            "Show",
            list(_GROUPS),
            words={name: title for name, (title, _) in _GROUPS.items()},
            width=150,
        )
        axis = controls.choice("x", "Over", list(_AXES), noun="axis", words=_AXES, look="buttons")
        half_life = controls.choice(
            "smooth",
            "Smoothing",
            list(_HALF_LIVES),
            noun="half-life",
            words=lambda steps: f"half-life {steps:,} steps" if steps else "none",
            help=TERMS["smoothing"],
            width=180,
        )
        log_x = controls.toggle("logx", "log axis", help="A logarithmic axis of time.")
        log_y = controls.toggle(
            "logy", "log values", help="Logarithmic values; those not above 0 have no place there."
        )
    return Look(group, axis, log_x, log_y, half_life, layer)


def draw(run: Run, logs: Mapping[str, Logged], look: Look) -> None:
    """Draws the curves of the chosen group, and their newest values as a table."""
    title, term = _GROUPS[look.group]
    st.header(title, anchor=False, help=TERMS[term])
    have = {name for log in logs.values() for name in log.scalars.value["measure"].unique()}
    wanted = {name for name in have if measure(name).group == look.group}
    frames = {name: _of(log.scalars, sorted(wanted), look.layer) for name, log in logs.items()}
    frames = {name: frame for name, frame in frames.items() if len(frame.value)}
    if not frames:
        messages.say("info", f"No line of the log has any of this: {title.lower()}.")
        return
    if look.axis == "hours" and not any(f.value["hours"].notna().any() for f in frames.values()):
        messages.say("info", "These runs logged no throughput, so their hours are not known.")
        return
    joined = record(analysis.join_runs, frames)
    figures.show(
        record(
            drawn.training_figure,
            frames,
            x=look.axis,
            layer=look.layer,
            half_life=look.half_life,
            log_x=look.log_x,
            log_y=look.log_y,
        ),
        joined,
        file=f"training-{look.group}-" + "-".join(frames),
        note=_note(run, frames, look),
    )
    with st.expander("These curves as a table", icon=":material/table_rows:"):
        summary = record(analysis.training_summary, joined).value
        st.table(
            summary.drop(columns=["measure"]).astype(object).where(summary.notna(), ""),
        )


def _of(
    scalars: Recorded[pd.DataFrame], measures: list[str], layer: int | None
) -> Recorded[pd.DataFrame]:
    """The rows of some measures, those of routers at one layer."""
    return record(analysis.training_rows, scalars, measures, layer)


def _note(run: Run, frames: Mapping[str, Recorded[pd.DataFrame]], look: Look) -> str:
    told = [
        f"{len(frame.value):,} logged values of {messages.plain(name)}"
        for name, frame in frames.items()
    ]
    parts = [" · ".join(told) + "."]
    if look.group == "loss":
        guess = math.log(run.config.data.batch_size)
        parts.append(
            f"Of the training batches. Guessing: ln({run.config.data.batch_size:,}) = {guess:.2f} "
            "nats of contrastive loss."
        )
    if look.half_life:
        parts.append(
            f"Bold: exponential moving average with a half-life of {look.half_life:,} steps; pale: "
            "the values."
        )
    parts.append(
        "Where values are more than the figure has room for, the first, smallest, largest and last "
        "of each part are drawn. One seed a run."
    )
    return " ".join(parts)
