"""Experts: do they specialise, by modality and by content?"""

from __future__ import annotations

import importlib

import streamlit as st

from app.parts import figures, messages
from app.shell import controls, sidebar
from app.views.experts.probe_view import Source
from limoe_core.runs.directory import Run

#: The views by their name in the address bar: title, and the module of this folder whose
#: `show(source)` draws it, imported when it is opened.
_VIEWS = {
    "modalities": ("Modalities", "modalities"),
    "closely": ("Each expert", "each_expert"),
    "preferences": ("Preferences", "preferences"),
    "paths": ("Paths", "paths"),
    "causal": ("Causal", "causal"),
    "sceptic": ("Sceptic's check", "sceptic"),
}
#: Views of pictures, or of routers' inputs, which are had for the probe pairs alone.
_OF_PROBES = {"closely", "sceptic"}


def show(run: Run) -> None:
    """Draws the page."""
    if not run.config.model.experts:
        messages.say(
            "info",
            f"{run.name} is a dense twin: it has no experts. Choose a run with experts in the "
            "sidebar.",
        )
        return
    steps = sorted({*run.probe_steps(), *run.expert_steps()})
    if not steps:
        messages.say(
            "info",
            f"{run.name} has no probe trace yet. Training records the first one at step 0; come "
            "back in a moment.",
        )
        return
    step = sidebar.choose_step(steps)
    layer = sidebar.choose_layer([block + 1 for block in run.config.model.moe_layers])
    figures.choose_format()
    source = Source(run, step, layer)
    view = _choose_view()
    _, module = _VIEWS[view]
    if view in _OF_PROBES and source.step in run.probe_steps():
        source = source.on_probes
    st.caption(messages.plain(source.sentence, longest=600))
    importlib.import_module(f"app.views.experts.{module}").show(source)


def _choose_view() -> str:
    return controls.choice(
        "view",
        "View",
        list(_VIEWS),
        words=lambda view: _VIEWS[view][0],
        look="buttons",
        label_visibility="collapsed",
    )
