"""Each expert in detail: patches with the highest gates, words, preferences."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

import analysis
from analysis import figures as drawn
from analysis.errors import AnalysisError
from analysis.gallery import patches_of_experts
from analysis.recipes import Recorded, record, rows
from analysis.words import words_of_experts
from app.components.contact_sheet import Sheet, contact_sheet, hosted
from app.components.experts import expert_cards
from app.components.experts.payload import payload
from app.parts import figures, messages, squares, tables
from app.parts.export import take_away
from app.parts.glossary import TERMS
from app.server import runs
from app.shell import state
from app.views.experts.preferences import beyond_chance
from app.views.experts.probe_view import Source
from limoe_core.runs.directory import Run, RunError

_PATCHES, _WORDS = 12, 8
#: Tables of one expert: modality, label of `analysis.token_labels`, heading.
_ASKED = (
    ("image", "category", "Patches by category of the picture"),
    ("text", "language", "Pieces by language of the text"),
    ("text", "script", "Pieces by script"),
)


def show(source: Source) -> None:
    """Draws the view."""
    experts = int(source.trace.experts[source.trace.layers == source.layer][0])
    chosen = state.get("expert", state.among(range(experts), "expert"), 0)
    roles = source.measure(analysis.roles).value
    of_layer = roles[roles["layer"] == source.layer]
    weighed = source.trace.gate is not None
    patches = source.measure(patches_of_experts, source.layer, _PATCHES, 1) if weighed else None
    words = source.measure(words_of_experts, source.layer, "word", _WORDS)
    cards, detail = st.columns([3, 2], gap="medium")
    with cards:
        st.header(f"The experts of {source.router}", anchor=False, help=TERMS["expert"])
        expert_cards(
            payload(
                source.trace,
                of_layer,
                None if patches is None else patches.value,
                words.value,
                sheet=_sheet(source) if weighed else None,
                chosen=chosen,
                href=lambda pair: _address(source, pair),
            ),
            key="experts.cards",
            on_choose=lambda expert: state.put("expert", expert),
        )
        st.caption(
            f"Patches: the {_PATCHES} with the highest gate, at most one per picture. Words: those "
            "with a lift above 1, ordered by tokens · ln(lift); × is the lift and n the number of "
            "tokens routed here; dashed where the best of all words has as much by chance, with "
            "the words of other pairs. Hatched: dropped. Select an expert for its details; click a "
            "patch to open it on the Routing page."
        )
        if patches is None:
            messages.say(
                "info",
                "These traces have no weights of choices, so no patch is an expert's surest.",
            )
        _take_cards_away(source, patches, words)
    with detail, st.container(key="expert-detail"):
        _one_expert(source, chosen)


def _one_expert(source: Source, expert: int) -> None:
    name = analysis.expert_label(expert)
    st.header(f"{name} of {source.router} in detail", anchor=False)
    _positions(source, expert)
    _words(source, expert)
    for modality, by, heading in _ASKED:
        if source.has_label(by):
            _labels(source, expert, modality, by, heading)


def _positions(source: Source, expert: int) -> None:
    frame = source.measure(analysis.position_frame, source.layer)
    mine = rows(frame, f"expert == {expert}")
    highest = float(mine.value["share"].max())
    if mine.value["patches"].sum() == 0:
        st.caption("These pairs have no pictures.")
        return
    down, across = mine.value[["row", "column"]].max() + 1
    own = "" if source.trace.grid else ", pictures of other grids laid over them"
    st.markdown(f"**Where in the picture** ({down} × {across} patches{own})")
    figure = record(drawn.position_figure, mine, columns=1)
    figures.show(
        record(go.Figure.update_layout, figure, height=330),
        mine,
        file=source.file(f"positions-E{expert}", layer=True),
        note="Share of the patches at each place (up to "
        f"{int(mine.value['patches'].max()):,}) whose first choice is the expert: up to "
        f"{highest:.0%}, the strongest colour. {beyond_chance(mine.value)}",
    )


def _words(source: Source, expert: int) -> None:
    st.markdown("**Words**", help=TERMS["lift"])
    frame = source.measure(words_of_experts, source.layer, "word", None).value
    mine = frame[frame["expert"] == expert].drop(columns="expert")
    if mine.empty:
        st.caption("No word has a lift above 1.")
        return
    tables.show(
        mine.assign(interval=_intervals(mine))[
            ["value", "lift", "share", "interval", "base", "tokens", "total", "weight", "p"]
        ],
        hide_index=True,
        height=330,
        column_config={
            "value": st.column_config.TextColumn("word", width=125),
            "lift": st.column_config.NumberColumn(format="×%.2f", width=60),
            "share": st.column_config.NumberColumn("here", format="percent", width=60),
            "interval": st.column_config.TextColumn("95 %", width=74),
            "base": st.column_config.NumberColumn("base rate", format="percent", width=75),
            "tokens": st.column_config.NumberColumn("n here", width=60),
            "total": st.column_config.NumberColumn("n total", width=65),
            "weight": st.column_config.NumberColumn("tokens · ln lift", format="%.1f", width=95),
            "p": st.column_config.NumberColumn("p, all words", format="%.3f", width=80),
        },
    )
    st.caption(
        f"{messages.counted(len(mine), 'word')} with a lift above 1. With the words of other "
        f"pairs, the best word of this expert has a weight of less than "
        f"{mine['chance'].iloc[0]:.1f} in 95 % of the exchanges; "
        f"{int((mine['weight'] > mine['chance']).sum())} of its words have more. p is corrected "
        "for looking at all of them. n counts pieces: a word of three pieces counts three times."
    )


def _labels(source: Source, expert: int, modality: str, by: str, heading: str) -> None:
    st.markdown(f"**{heading}**", help=TERMS["lift"])
    try:
        frame = source.measure(analysis.expert_preferences, source.layer, by, modality).value
    except AnalysisError as error:
        st.caption(messages.plain(error))
        return
    mine = frame[frame["expert"] == expert].sort_values("lift", ascending=False)
    tables.show(
        mine.assign(interval=_intervals(mine))[
            ["value", "lift", "share", "interval", "tokens", "total"]
        ],
        hide_index=True,
        height=300,
        column_config={
            "value": st.column_config.TextColumn(by, width=110),
            "lift": st.column_config.NumberColumn(format="×%.2f", width=52),
            "share": st.column_config.NumberColumn("here", format="percent", width=58),
            "interval": st.column_config.TextColumn("95 %", width=74),
            "tokens": st.column_config.NumberColumn("n here", width=60),
            "total": st.column_config.NumberColumn("n total", width=65),
        },
    )


def _intervals(frame: pd.DataFrame) -> list[str]:
    """Ends of the intervals, "" where there are none."""
    return [
        "" if pd.isna(low) else f"{100 * low:.0f}–{100 * high:.0f} %"
        for low, high in zip(frame["low"], frame["high"], strict=True)
    ]


def _take_cards_away(
    source: Source, patches: Recorded[pd.DataFrame] | None, words: Recorded[pd.DataFrame]
) -> None:
    left, right = st.columns(2)
    with left:
        if patches is not None:
            take_away(patches, file=source.file("patches", layer=True), what="the patches")
    with right:
        take_away(words, file=source.file("words", layer=True), what="the words")


def _address(source: Source, pair: int) -> str:
    """Link from this page to a probe pair on the Routing page."""
    number = source.pairs[pair]  # among all, as Routing counts them
    view = {"run": source.run.name, "step": source.step, "layer": source.layer, "example": number}
    return f"./?{urlencode(view)}"


def _sheet(source: Source) -> Sheet | None:
    """The probe pictures on one sheet; None, with a message, if they cannot be shown."""
    if source.run.other is not None:
        return _sheet_of_recorded(source)
    try:
        pictures = runs.probe_pictures(source.run)
    except RunError as error:
        messages.say("warning", f"The pictures of the probe pairs cannot be shown: {error}")
        return None
    if pictures is None or len(pictures) != source.whole.num_pairs:
        return None
    stamp = source.run.stamp("probe pictures")
    pairs = tuple(source.pairs)
    made = _sheet_of(source.run, str(source.run.path), stamp, pairs, pictures[source.pairs])
    return hosted(made, "experts.cards")


def _sheet_of_recorded(source: Source) -> Sheet | None:
    """The pictures that the trace holds, one a place, on white squares."""
    table = source.trace.pictures
    if table is None or not table.content:
        return None
    stamp = source.run.stamp("probe", source.step)
    made = _sheet_of_files(str(source.run.path), source.step, stamp, table.content)
    return hosted(made, "experts.cards")


@st.cache_resource(max_entries=4, show_spinner=False)
def _sheet_of_files(
    path: str, step: int, changed: tuple[int, int], _files: Sequence[bytes]
) -> Sheet:
    return contact_sheet(np.stack([squares.small(each, squares.LARGE) for each in _files]))


@st.cache_resource(max_entries=16, show_spinner=False)
def _sheet_of(
    _run: Run, path: str, changed: tuple[int, int], pairs: tuple[int, ...], _pictures: np.ndarray
) -> Sheet:
    return contact_sheet(_pictures, lossless=True)
