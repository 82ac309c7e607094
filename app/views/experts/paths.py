"""Paths of tokens through the experts of one layer after the other."""

from __future__ import annotations

import streamlit as st

import analysis
from analysis import figures as drawn
from app.parts import figures, messages
from app.parts.export import take_away
from app.parts.glossary import TERMS
from app.views.experts.probe_view import Source, choose_modality


def show(source: Source) -> None:
    """Draws the view."""
    if source.trace.num_layers < 2:
        messages.say("info", "This run has only one MoE layer, so there is no path to follow.")
        return
    modality = choose_modality()
    wide, narrow = st.columns([3, 2])
    with wide:
        flows = source.measure(analysis.transitions)
        st.subheader("From layer to layer", anchor=False, help=TERMS["path"])
        figures.show(
            drawn.paths_figure(flows, modality),
            flows,
            analysis.recipe("paths", source.run.path, source.step, modality=modality),
            file=source.file(f"paths-{modality}"),
            note="First choices; the width is the number of tokens. The same colour in two layers "
            "means the same expert number, nothing more.",
        )
    with narrow:
        _table(source, modality)


def _table(source: Source, modality: str) -> None:
    frame = source.measure(analysis.expert_paths, modality)
    st.subheader("Whole paths", anchor=False, help=TERMS["path"])
    st.dataframe(
        frame[["path", "share", "independent", "tokens", "pairs"]],
        hide_index=True,
        height=400,
        column_config={
            "share": st.column_config.NumberColumn(format="percent"),
            "independent": st.column_config.NumberColumn(
                "if independent",
                format="percent",
                help="The share that the path would have if the layers chose independently.",
            ),
            "tokens": st.column_config.NumberColumn("n", format="localized"),
            "pairs": st.column_config.NumberColumn("in pairs"),
        },
    )
    tokens = int(frame["tokens"].sum())
    st.caption(f"{messages.counted(len(frame), 'path')}, n = {tokens:,} tokens.")
    take_away(
        lambda: frame,
        "import analysis\nfrom limoe_core.runs.directory import Run\n\n"
        f"run = Run.open({str(source.run.path)!r})\ntrace = run.probe({source.step})\n"
        f"frame = analysis.expert_paths(trace, {modality!r})\n",
        file=source.file(f"whole-paths-{modality}"),
        what="the paths",
    )
