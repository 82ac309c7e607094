"""Preferences of a layer's experts by category, language, script, style or place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

import analysis
from analysis import figures as drawn
from analysis.recipes import record
from app.parts import figures, messages
from app.parts.glossary import TERMS
from app.server import recorded
from app.shell import controls
from app.views.experts.probe_view import Source, choose_modality

if TYPE_CHECKING:
    import pandas as pd

_POSITION = "position"
#: Labels for the tokens of each modality; those that the trace has are offered.
_LABELS = {
    "image": ("category", "style", _POSITION),
    "text": ("category", "language", "script", _POSITION, "word", "piece"),
}
_MOST_ROWS = 24


def show(source: Source) -> None:
    """Draws the view."""
    modality, by = _choose(source)
    wide, narrow = st.columns([3, 2])
    with wide:
        if by == _POSITION and modality == "image":
            _positions(source)
        else:
            _preferences(source, modality, by)
    with narrow:
        _agreement(source)


def _choose(source: Source) -> tuple[str, str]:
    left, right = st.columns([1, 3])
    with left:
        modality = choose_modality()
    offered = [label for label in _LABELS[modality] if source.has_label(label)]
    with right:
        by = controls.choice(
            "by",
            "Group by",
            offered,
            noun="label",
            look="buttons",
            say=False,  # the labels of patches are not those of text
            help="Category, style and language are those of the pair; position, script, word and "
            "piece those of the token itself.",
        )
    return modality, by


def _preferences(source: Source, modality: str, by: str) -> None:
    preferences = source.measure(analysis.expert_preferences, source.layer, by, modality)
    frame = preferences.value
    labels = frame["value"].nunique()
    st.header(f"Experts of {source.router} by {by}", anchor=False, help=TERMS["lift"])
    tokens = int(frame.drop_duplicates("value")["total"].sum())
    beyond = int(
        ((frame["share"] < frame["null_low"]) | (frame["share"] > frame["null_high"])).sum()
    )
    shown = f" The {_MOST_ROWS} most frequent of {labels} are shown." if labels > _MOST_ROWS else ""
    figures.show(
        record(drawn.preference_figure, preferences, count=_MOST_ROWS),
        preferences,
        file=source.file(f"preferences-{modality}-{by}", layer=True),
        note=f"Of the tokens with the label (number in brackets), the share whose first choice is "
        f"the expert. Colour: lift, blue above the base rate, orange below, where 95 % of shares "
        f"with the labels of other pairs are nearer to it: {beyond} of {len(frame):,} shares lie "
        f"beyond; by chance alone it would be {0.05 * len(frame):.0f} or fewer on average. "
        f"n = {tokens:,} tokens.{shown} Hover for intervals over pairs.",
    )


def _positions(source: Source) -> None:
    grid = source.trace.grid
    frame = source.measure(analysis.position_frame, source.layer)
    st.header(f"Where in the picture, {source.router}", anchor=False, help=TERMS["patch"])
    figures.show(
        record(drawn.position_figure, frame),
        frame,
        file=source.file("positions", layer=True),
        note=f"For each expert, its share of the {source.trace.num_pairs:,} patches at each of the "
        f"{grid} × {grid} places; all maps have the same scale. {beyond_chance(frame.value)}",
    )


def beyond_chance(maps: pd.DataFrame) -> str:
    """How many experts of `analysis.position_frame` have places, beyond what chance gives."""
    found = analysis.places_beyond(maps)
    told = (
        "Dots: shares beyond 95 % of those with every picture's decisions moved around at random. "
    )
    if len(found) == 1:
        row = found.iloc[0]
        return told + (
            f"There are {int(row['beyond'])} of {int(row['cells'])}; 95 % of the moves give "
            f"{row['most_beyond']:.0f} or fewer."
        )
    return told + (
        f"{int(found['more'].sum())} of {len(found)} experts have more of them than 95 % of the "
        "moves give."
    )


def _agreement(source: Source) -> None:
    call = record(analysis.agreement_with_labels, source.recorded)
    frame = recorded.worked(call, "Exchanging the labels of pairs")
    st.header("Routing–label mutual information", anchor=False, help=TERMS["agreement"])
    figures.show(
        source.named(record(drawn.agreement_figure, frame)),
        frame,
        file=source.file("agreement"),
        note="Adjusted mutual information of expert and label, by modality and layer, and in "
        "brackets its mean when every pair has the labels of another one. Coloured by what lies "
        "beyond that, where fewer than 5 % of the exchanges reach the value. "
        + messages.counted(source.trace.num_pairs, "pair")
        + ", "
        + messages.counted(source.trace.num_tokens, "token")
        + ".",
    )
