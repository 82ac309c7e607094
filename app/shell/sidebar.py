"""The sidebar: run, step and layer, shared by all pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import streamlit as st

from app.parts import messages
from app.parts.glossary import TERMS
from app.server.runs import Run, RunError, Runs
from app.shell import controls, live, options, slices

_DEFAULT = "sidebar.default"  # session: the run that this reader's pages opened with


def find_runs(folder: Path) -> Runs | None:
    """The runs of a folder; None, with a message on the page, if it cannot be read."""
    try:
        return Runs.of(folder)
    except RunError as error:
        messages.say("error", _sentence(error))
        messages.say("info", f"Start with another folder: {options.START} --runs DIR")
        return None


def choose_run(runs: Runs) -> Run | None:
    """Draws the choice of a run; None, with a message, if there is no usable one."""
    if not runs.usable:
        _nothing_usable(runs)
        return None
    with st.sidebar:
        name = controls.choice(
            "run",
            "Run",
            runs.usable,
            default=_first_shown(runs),
            words=messages.visible,
            pinned=True,
            help=TERMS["run"],
        )
    try:
        run = runs.open(name)
    except RunError as error:  # it went away since it was listed
        messages.say("error", _sentence(error))
        return None
    with st.sidebar:
        st.caption(messages.plain(describe(run)))
        live.choose_following(run)
    return run


def _first_shown(runs: Runs) -> str:
    """The run to open with, which stays so for this reader when other runs come."""
    known = st.session_state.get(_DEFAULT)
    if known not in runs.usable:
        known = st.session_state[_DEFAULT] = runs.default()
    return known


def show_page(show: Callable[[Run], None], run: Run) -> None:
    """Draws a page; whatever goes wrong is a sentence on it and, if unexpected, in the log."""
    slices.begin()
    with messages.spoken(run.name):
        show(run)
    slices.end()


def choose_step(
    steps: Sequence[int], *, default: int | None = None, help_text: str = TERMS["step"]
) -> int:
    """Draws the choice of a training step from `steps` (rising); the last by default."""
    if default is None:
        default = steps[-1]
    with st.sidebar:
        step = controls.choice(
            "step",
            "Step",
            steps,
            default=_nearest(steps, default),
            words=lambda each: f"{each:,}",
            look="slider",
            pinned=True,
            shown=len(steps) > 1,
            help=help_text,
        )
        if len(steps) == 1:
            st.caption(f"Step {step:,}, the only one", help=help_text)
    return step


def choose_layer(layers: Mapping[int, str], *, shown: bool = True) -> int:
    """Draws the choice of an MoE layer, by block number from 1; the last by default.

    Args:
      layers: what the run's routers are called, by their numbers, rising, at least one.
      shown: whether the sidebar offers the choice; False where a figure has its own switch.
    """
    with st.sidebar:
        return controls.choice(
            "layer",
            "Layer",
            list(layers),
            default=max(layers),
            noun="MoE layer",
            words=lambda number: messages.visible(layers[number], 60),
            pinned=True,
            shown=shown,
            help=TERMS["layer"],
        )


def list_broken(runs: Runs) -> None:
    """Lists the unusable folders with their reasons at the foot of the sidebar."""
    if not runs.broken or not runs.usable:
        return
    with st.sidebar.expander(f"{messages.counted(len(runs.broken), 'folder')} not usable"):
        for listing in runs.broken:
            reason = (
                (listing.error or "")
                .replace(f"{listing.path}/", "")
                .replace(str(listing.path), "it")
            )
            st.caption(f"**{messages.plain(listing.name)}**: {messages.plain(reason)}")


def describe(run: Run) -> str:
    """One line about a run: experts, size, data, and the run that it was started from."""
    if run.other is not None:
        data = run.info.get("data")
        named = data.get("name") if isinstance(data, dict) else None
        return " · ".join([run.other.summary, *([named] if named else [])])
    model = run.config.model
    parts = [
        f"{model.experts} experts, top {model.top_k}, in {len(model.moe_layers)} of "
        f"{model.layers} blocks"
        if model.experts
        else f"dense twin, {model.layers} blocks",
        *model.variations,
    ]
    parameters = run.info.get("parameters")
    if isinstance(parameters, int):
        size = f"{parameters / 1e6:.1f} M" if parameters >= 100_000 else f"{parameters:,}"
        parts.append(f"{size} parameters")
    data = run.info.get("data")
    if isinstance(data, dict) and isinstance(data.get("name"), str):
        parts.append(data["name"])
    if run.origin is not None:
        parts.append(f"started from {run.origin}")
    return " · ".join(parts)


def _nearest(steps: Sequence[int], step: int) -> int:
    return min(steps, key=lambda each: abs(each - step))


def _nothing_usable(runs: Runs) -> None:
    if not runs.broken:
        messages.say("info", f"There is no run in {runs.folder} yet.")
    else:
        messages.say("error", f"None of the folders in {runs.folder} is a run that can be used:")
        for listing in runs.broken:
            messages.say("warning", f"{listing.name}: {listing.error}")
    messages.say(
        "info",
        "Train one with: python -m limoe_core.train --preset emoji-tiny --run checkpoints/my-run; "
        f"or start with another folder: {options.START} --runs DIR",
    )


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
