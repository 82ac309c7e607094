"""Loads: which share of each modality's tokens every expert takes, step by step."""

from __future__ import annotations

import streamlit as st

from analysis import figures as drawn
from analysis.recipes import record, rows
from app.parts import figures
from app.parts.glossary import TERMS
from app.server.logs import Logged
from app.server.runs import Run


def draw(run: Run, log: Logged, layer: int | None) -> None:
    """Draws the experts' shares of one layer's image tokens and text tokens."""
    table = log.routers.value
    if layer is None or not (table["layer"] == layer).any():
        return
    st.header(
        f"Token share per expert in training, block {layer}",
        anchor=False,
        help=TERMS["modality share"],
    )
    for column, modality in zip(st.columns(2), ("image", "text"), strict=True):
        mine = table[(table["layer"] == layer) & (table["modality"] == modality)]
        if mine.empty:
            continue
        with column:
            st.markdown(f"**{modality.capitalize()} tokens**")
            figures.show(
                record(drawn.loads_figure, log.routers, layer, modality),
                rows(log.routers, f"layer == {layer} and modality == {modality!r}"),
                file=f"loads-{modality}-{run.name}-block{layer}",
                note=f"Share of the {modality} tokens of the training batch whose first choice is "
                "the expert, over logged steps; where there are many, each column is the mean of "
                f"several. An even share is {1 / run.config.model.experts:.1%}.",
            )
