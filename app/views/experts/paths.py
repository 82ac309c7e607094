"""Paths of tokens through the experts of successive layers."""

from __future__ import annotations

import streamlit as st

import analysis
from analysis import figures as drawn
from analysis.recipes import record
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
        st.header("From layer to layer", anchor=False, help=TERMS["path"])
        figures.show(
            record(drawn.paths_figure, flows, modality),
            flows,
            file=source.file(f"paths-{modality}"),
            note="First choices; the width is the number of tokens. The same colour in two layers "
            "means the same expert number, nothing more.",
        )
    with narrow:
        _table(source, modality)


def _table(source: Source, modality: str) -> None:
    paths = source.measure(analysis.expert_paths, modality)
    frame = paths.value
    st.header("Whole paths", anchor=False, help=TERMS["path"])
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
        paths,
        file=source.file(f"whole-paths-{modality}"),
        what="the paths",
    )
