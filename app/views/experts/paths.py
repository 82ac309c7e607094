"""Paths of tokens through the experts of successive layers."""

from __future__ import annotations

import streamlit as st

import analysis
from analysis import figures as drawn
from analysis.recipes import record, rows
from app.parts import figures, messages, tables
from app.parts.export import take_away
from app.parts.glossary import TERMS
from app.views.experts.probe_view import Source, choose_modality
from limoe_core.trace import MODALITIES

#: Experts a layer whose odds are found while the reader waits, and whose pairs can be drawn.
_MOST_TOGETHER = 32


def show(source: Source) -> None:
    """Draws the view."""
    _together(source)
    if source.trace.num_layers < 2:
        messages.say("info", "This run has only one MoE layer, so there is no path to follow.")
        return
    modality = choose_modality()
    wide, narrow = st.columns([3, 2])
    with wide:
        flows = source.measure(analysis.transitions)
        st.header("From layer to layer", anchor=False, help=TERMS["path"])
        figures.show(
            source.named(record(drawn.paths_figure, flows, modality)),
            flows,
            file=source.file(f"paths-{modality}"),
            note="First choices; the width is the number of tokens. The same colour in two layers "
            "means the same expert number, nothing more.",
        )
    with narrow:
        _table(source, modality)


def _together(source: Source) -> None:
    """Draws which experts of the layer tokens have together, where they have several."""
    if source.trace.top_k < 2:
        return
    if source.trace.num_experts > _MOST_TOGETHER:
        st.caption(
            f"Which experts are chosen together is drawn for at most {_MOST_TOGETHER} experts a "
            "layer; analysis.coactivation counts it for any number."
        )
        return
    st.header(f"Chosen together, {source.router}", anchor=False, help=TERMS["co-activation"])
    frame = source.measure(analysis.coactivation)
    for column, modality in zip(st.columns(2), MODALITIES, strict=True):
        mine = rows(frame, f"layer == {source.layer} and modality == '{modality}'")
        if mine.value.empty:
            continue
        with column:
            figures.show(
                record(drawn.coactivation_figure, frame, modality, source.layer),
                mine,
                file=source.file(f"together-{modality}", layer=True),
                note=f"{'Patches' if modality == 'image' else 'Pieces of text'} with both experts, "
                "over what independent choices with the same shares give: blue more, orange less, "
                "no colour where the 95 % interval over pairs holds 1. "
                f"n = {int(mine.value['tokens'].iloc[0]):,} tokens.",
            )


def _table(source: Source, modality: str) -> None:
    paths = source.measure(analysis.expert_paths, modality)
    frame = paths.value
    st.header("Whole paths", anchor=False, help=TERMS["path"])
    tables.show(
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
