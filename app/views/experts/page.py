"""Experts: do they specialise, by modality and by content?"""

from __future__ import annotations

import importlib

import streamlit as st

from app.parts import figures, messages
from app.shell import controls, live, sidebar, slices
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
#: Views that make measurements of their own, of all pairs.
_OF_ALL = ("causal", "sceptic")
#: Views of pictures, or of routers' inputs, which are had for the probe pairs alone.
_OF_PROBES = {"closely", "sceptic"}


def show(run: Run) -> None:
    """Draws the page."""
    if not run.has_experts:
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
            f"{run.name} has no probe trace yet. Training records the first one at step 0. "
            + live.BY_ITSELF,
        )
        return
    step = sidebar.choose_step(steps)
    layer = sidebar.choose_layer(run.routers)
    figures.choose_format()
    source = Source(run, step, layer, slices.active())
    view = _choose_view()
    _, module = _VIEWS[view]
    if view in _OF_PROBES and source.step in run.probe_steps():
        source = source.on_probes
    elif source.is_of_probes_alone:
        source = source.on_probes
        messages.say(
            "info",
            "The slice holds none of the pairs that evaluate --experts measured, so this is of the "
            "probe pairs, which are fewer.",
        )
    pairs = slices.pairs_of(source.whole, lambda _: source.pairs)
    if pairs is not None and view in _OF_ALL:
        messages.say("info", "This view is of all pairs, and not of the slice.")
    if pairs is None or view in _OF_ALL:
        source = source.of_all
    sentence = source.sentence
    if view == "causal" and run.other is None:
        sentence += " The roles below are of these pairs, and the losses of those named with them."
    st.caption(messages.plain(sentence, longest=600))
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
