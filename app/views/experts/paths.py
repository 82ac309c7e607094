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
    modality = choose_modality()
    if source.trace.num_layers < 2:
        messages.say("info", "This run has only one MoE layer, so there is no path to follow.")
    else:
        _paths(source, modality)
    if source.trace.top_k > 1:
        _together(source, modality)


def _paths(source: Source, modality: str) -> None:
    wide, narrow = st.columns([3, 2])
    with wide:
        flows = source.measure(analysis.transitions)
        st.subheader("From layer to layer", anchor=False, help=TERMS["path"])
        figures.show(
            record(drawn.paths_figure, flows, modality),
            flows,
            file=source.file(f"paths-{modality}"),
            note="First choices; the width is the number of tokens. The same colour in two layers "
            "means the same expert number, nothing more.",
        )
    with narrow:
        _table(source, modality)


def _together(source: Source, modality: str) -> None:
    st.subheader(f"Experts chosen together, {source.router}", anchor=False, help=TERMS["expert"])
    together = source.measure(analysis.co_activation, source.layer, modality)
    frame = together.value
    named = {
        column: [analysis.expert_label(int(expert)) for expert in frame[column]]
        for column in ("expert", "other")
    }
    percent = st.column_config.NumberColumn
    st.dataframe(
        frame.assign(**named)[["expert", "other", "lift", "share", "expected", "tokens", "pairs"]],
        hide_index=True,
        height=320,
        column_config={
            "other": st.column_config.TextColumn("with"),
            "lift": percent(format="×%.2f"),
            "share": percent(format="percent"),
            "expected": percent("by chance", format="percent"),
            "tokens": percent("n", format="localized"),
            "pairs": percent("in pairs"),
        },
    )
    st.caption(
        "Two experts that the same token chooses. By chance: the product of how often each is "
        "chosen, scaled to as many meetings in all; the lift is the ratio."
    )
    take_away(together, file=source.file(f"together-{modality}", layer=True), what="the table")


def _table(source: Source, modality: str) -> None:
    paths = source.measure(analysis.expert_paths, modality)
    frame = paths.value
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
        paths,
        file=source.file(f"whole-paths-{modality}"),
        what="the paths",
    )
