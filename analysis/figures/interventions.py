"""Figures of what changes to routers do, and of the routes of one token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.figures.style import (
    CELL_FONT,
    DIVERGING,
    DIVERGING_DARK,
    INK,
    block_label,
    cell_label,
    finish,
    labels,
)

if TYPE_CHECKING:
    import pandas as pd

_BLUE, _ORANGE = "#2F7FD0", "#B45C0A"


def effects_figure(frame: pd.DataFrame) -> go.Figure:
    """Differences that a change makes, with their intervals and those of other changes.

    Args:
      frame: `analysis.intervention_effects`.
    """
    figure = make_subplots(
        rows=len(frame), cols=1, vertical_spacing=0.16, subplot_titles=frame["measure"].tolist()
    )
    for row, each in enumerate(frame.to_dict("records"), start=1):
        if each["others"]:
            figure.add_scatter(
                x=[each["others_low"], each["others_high"]],
                y=["", ""],
                mode="lines",
                line={"width": 16, "color": "rgba(128, 128, 128, 0.35)"},
                name=f"{each['others']} other changes of this kind",
                showlegend=row == 1,
                hovertemplate="others from %{x:.4f}<extra></extra>",
                row=row,
                col=1,
            )
        figure.add_scatter(
            x=[each["difference"]],
            y=[""],
            mode="markers",
            marker={"size": 11, "color": _BLUE},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [max(each["high"] - each["difference"], 0)],
                "arrayminus": [max(each["difference"] - each["low"], 0)],
                "color": _BLUE,
                "thickness": 2,
            },
            name="this change",
            showlegend=row == 1,
            hovertemplate=f"{each['before']:.4f} before, {each['after']:.4f} after: %{{x:+.4f}} "
            f"({each['low']:+.4f} to {each['high']:+.4f})<extra></extra>",
            row=row,
            col=1,
        )
        shown = [0.0, *(each[name] for name in ("low", "high", "others_low", "others_high"))]
        low, high = np.nanmin(shown), np.nanmax(shown)
        room = 0.06 * (high - low) or 0.01
        figure.update_xaxes(range=[low - room, high + room], row=row, col=1)
    figure.update_xaxes(zeroline=True, zerolinecolor=INK, zerolinewidth=2)
    figure.update_annotations(font={"size": 13})
    return finish(figure, height=110 + 85 * len(frame)).update_layout(
        margin={"t": 70, "b": 40, "l": 20}
    )


def routes_figure(frame: pd.DataFrame) -> go.Figure:
    """The losses on a token's routes: all of them, and those that differ in one block.

    Args:
      frame: `analysis.token_routes`.
    """
    blocks = [name for name in frame.columns if name.startswith("layer_")]
    own = frame[frame["chosen"]].iloc[0]
    figure = make_subplots(
        rows=1,
        cols=2,
        column_widths=[0.45, 0.55],
        horizontal_spacing=0.12,
        subplot_titles=["loss on each route, nats", "one block changed, less the router's loss"],
    )
    losses = frame["loss"].to_numpy()
    figure.add_histogram(
        x=losses[~frame["chosen"]],
        nbinsx=40,
        marker={"color": "rgba(128, 128, 128, 0.6)"},
        name="other routes",
    )
    for value, name, colour, dash in (
        (own["loss"], "the router's route", _BLUE, "solid"),
        (losses.mean(), "mean of all routes", INK, "dot"),
        (losses.min(), "the best route", _ORANGE, "dash"),
    ):
        figure.add_scatter(
            x=[value, value],
            y=[0, 1],
            yaxis="y3",
            mode="lines",
            line={"color": colour, "width": 2.5, "dash": dash},
            name=name,
            hovertemplate=f"{name}: %{{x:.4f}}<extra></extra>",
        )
    experts = sorted({int(expert) for block in blocks for expert in frame[block]})
    near = frame[(frame[blocks] != own[blocks]).sum(axis=1) <= 1]
    gaps = np.full((len(blocks), len(experts)), np.nan)
    for layer, block in enumerate(blocks):
        others = [name for name in blocks if name != block]
        rows = near[(near[others] == own[others]).all(axis=1)]
        for expert, loss in zip(rows[block], rows["loss"], strict=True):
            gaps[layer, experts.index(int(expert))] = loss - own["loss"]
    most = max(float(np.nanmax(np.abs(gaps))), 1e-9)
    few = len(experts) <= 16
    words = [
        [
            cell_label(
                "own" if experts[e] == own[block] else f"{gaps[layer, e]:+.3f}",
                abs(gaps[layer, e]) / most > DIVERGING_DARK,
            )
            if few
            else ""
            for e in range(len(experts))
        ]
        for layer, block in enumerate(blocks)
    ]
    figure.add_heatmap(
        z=gaps,
        x=labels(experts),
        y=[block_label(int(name.removeprefix("layer_"))) for name in blocks],
        zmin=-most,
        zmax=most,
        colorscale=DIVERGING,
        text=words,
        texttemplate="%{text}",
        textfont=CELL_FONT,
        xgap=2,
        ygap=2,
        showscale=False,
        hovertemplate="%{y}, %{x}: %{z:+.4f} nats<extra></extra>",
        row=1,
        col=2,
    )
    figure.update_layout(
        yaxis3={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True},
        yaxis={"title": {"text": "routes"}},
        yaxis2={"autorange": "reversed"},
    )
    figure.update_annotations(font={"size": 13})
    return finish(figure, height=max(300, 150 + 34 * len(blocks))).update_layout(margin={"t": 90})
