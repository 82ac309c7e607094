"""Figures of specialisation: correlational, causal, and by geometry alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.colours import MODALITY_COLOURS
from analysis.figures.style import (
    CELL_FONT,
    CLEAR,
    INK,
    INTENSITY,
    INTENSITY_DARK,
    ROWS_MARGIN,
    block_label,
    cell_label,
    error_bars,
    finish,
    labels,
    rows_layout,
)
from analysis.geometry import ROUTERS

_ROUTER_LOOKS = {
    "trained": ("#4B3CD2", ""),
    "k-means": ("#E1B400", "/"),
    "k-means, by token": ("#D2691E", "\\"),
    "random": ("#8C8C8C", "x"),
    "random, centred": ("#5A9600", "."),
}


#: Marks of routers that learned nothing.
_MARKS = {
    "step 0": "diamond-open",
    "k-means": "square-open",
    "k-means, by token": "square-x-open",
    "random": "circle-open",
    "random, centred": "circle-x-open",
}


def specialisation_figure(
    frame: pd.DataFrame,
    untrained: pd.DataFrame | None = None,
    baselines: pd.DataFrame | None = None,
) -> go.Figure:
    """Modality NMI by layer with its 95 % interval.

    Args:
      frame: `analysis.modality_specialisation`.
      untrained: the same of step 0, to compare with; None to leave it out.
      baselines: `analysis.specialisation_baselines`, of routers that learned nothing.
    """
    figure = go.Figure(
        go.Bar(
            x=[block_label(layer) for layer in frame["layer"]],
            y=frame["nmi"],
            name="trained",
            showlegend=False,
            marker={"color": "rgba(138, 99, 184, 0.55)"},
            error_y=error_bars(frame, "nmi", "low", "high"),
            customdata=frame[["low", "high", "pairs"]],
            hovertemplate=(
                "%{x}: NMI %{y:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f})"
                "<br>%{customdata[2]} pairs<extra></extra>"
            ),
        )
    )
    if untrained is not None:
        figure.add_scatter(
            x=[block_label(layer) for layer in untrained["layer"]],
            y=untrained["nmi"],
            mode="markers",
            name="untrained",
            marker={"symbol": "diamond-open", "size": 11, "color": INK, "line": {"width": 2}},
            error_y=error_bars(untrained, "nmi", "low", "high"),
            customdata=untrained[["low", "high"]],
            hovertemplate=(
                "%{x}, untrained: NMI %{y:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f})"
                "<extra></extra>"
            ),
        )
        figure.update_layout(showlegend=False)
    if baselines is not None:
        for router, mark in _MARKS.items():
            _add_marks(figure, baselines[baselines["router"] == router], router, mark)
        figure.update_layout(scattermode="group", scattergap=0.35)  # side by side
    # The value stands below its bar: inside, it is unreadable on a light or on a dark page.
    figure.update_xaxes(
        tickvals=list(range(len(frame))),
        ticktext=[
            f"{block_label(layer)}<br><b>{value:.2f}</b>"
            for layer, value in zip(frame["layer"], frame["nmi"], strict=True)
        ],
    )
    figure.update_yaxes(range=[0, 1.05], title={"text": "NMI of modality and expert"})
    return finish(figure, height=300 if baselines is None else 340)


def _add_marks(figure: go.Figure, frame: pd.DataFrame, router: str, mark: str) -> None:
    if frame.empty:
        return
    figure.add_scatter(
        x=[block_label(layer) for layer in frame["layer"]],
        y=frame["nmi"],
        mode="markers",
        name=router,
        orientation="v",
        offsetgroup=router,
        marker={"symbol": mark, "size": 10, "color": INK, "line": {"width": 1.5}},
        error_y=error_bars(frame, "nmi", "low", "high"),
        customdata=frame[["low", "high", "draws", "pairs"]],
        hovertemplate=(
            "%{x}, " + router + ": NMI %{y:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f})"
            "<br>draws: %{customdata[2]}, pairs: %{customdata[3]}<extra></extra>"
        ),
    )


def causal_figure(frame: pd.DataFrame) -> go.Figure:
    """Rise of the contrastive loss when an expert is off for image or for text tokens.

    Args:
      frame: `analysis.causal_specialisation` of one or several layers.
    """
    layers = sorted(frame["layer"].unique())
    height, spacing = rows_layout(max(len(layers), 1), row=170, between=55)
    figure = make_subplots(
        rows=len(layers) or 1,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=spacing,
        subplot_titles=[block_label(layer) for layer in layers],
    )
    for row, layer in enumerate(layers, start=1):
        mine = frame[frame["layer"] == layer]
        for modality, shape in (("image", ""), ("text", "/")):
            delta = f"delta_{modality}"
            figure.add_bar(
                x=labels(mine["expert"].tolist()),
                y=mine[delta],
                name=f"off for {modality} tokens",
                legendgroup=modality,
                showlegend=row == 1,
                marker={
                    "color": MODALITY_COLOURS[modality],
                    "opacity": 0.7,
                    "pattern": {"shape": shape, "fgcolor": "#FFFFFF", "fillmode": "overlay"},
                },
                error_y=error_bars(mine, delta, f"{delta}_low", f"{delta}_high"),
                customdata=mine[[f"{delta}_low", f"{delta}_high", "index", f"{modality}_tokens"]],
                hovertemplate=(
                    "%{x}: %{y:+.4f} nats (%{customdata[0]:+.4f} to %{customdata[1]:+.4f})"
                    "<br>specialisation index %{customdata[2]:.2f}"
                    "<br>%{customdata[3]} " + modality + " tokens choose it<extra></extra>"
                ),
                row=row,
                col=1,
            )
    figure.update_yaxes(title={"text": "rise of loss, nats"}, zeroline=True, zerolinecolor=INK)
    figure.update_layout(barmode="group")
    return finish(figure, height=height).update_layout(margin=ROWS_MARGIN)


def sceptic_figure(frame: pd.DataFrame, measure: str = "modality NMI") -> go.Figure:
    """One measure for the trained router, k-means clusters and random routers, by layer.

    Args:
      frame: `analysis.sceptics_check`.
      measure: one of its measures.
    """
    rows = frame[frame["measure"] == measure]
    figure = go.Figure()
    for router in ROUTERS:
        mine = rows[rows["router"] == router]
        colour, shape = _ROUTER_LOOKS[router]
        figure.add_bar(
            x=[block_label(layer) for layer in mine["layer"]],
            y=mine["value"],
            name=router,
            marker={
                "color": colour,
                "opacity": 0.7,
                "pattern": {"shape": shape, "fgcolor": "#FFFFFF", "fillmode": "overlay"},
            },
            error_y=error_bars(mine, "value", "low", "high"),
            customdata=mine[["low", "high", "draws"]],
            hovertemplate=(
                "%{fullData.name}, %{x}: %{y:.3f}<br>%{customdata[0]:.3f} to %{customdata[1]:.3f} "
                "over %{customdata[2]} draws<extra></extra>"
            ),
        )
    figure.update_layout(barmode="group")
    figure.update_yaxes(title={"text": measure}, rangemode="tozero")
    return finish(figure, height=340)


def agreement_figure(frame: pd.DataFrame) -> go.Figure:
    """Adjusted mutual information of expert and label, by layer, over its null.

    Cells give the value, and in brackets the mean with the labels of other pairs; the colour is
    what lies between, and there is none where these reach the value in over 5 %.

    Args:
      frame: `analysis.agreement_with_labels`.
    """
    rows = frame.assign(row=frame["modality"] + ": " + frame["label"])
    order = list(dict.fromkeys(rows["row"]))
    cells = {
        column: rows.pivot(index="row", columns="layer", values=column).loc[order]
        for column in ("ami", "null", "null_high", "p", "values", "pairs")
    }
    ami, null, p = (cells[name].to_numpy() for name in ("ami", "null", "p"))
    known = ~np.isnan(null)
    beyond = np.where(known, np.where(p <= 0.05, ami - null, 0.0), ami)
    highest = max(0.2, float(np.nanmax(beyond, initial=0.0)))
    figure = go.Figure(
        go.Heatmap(
            z=beyond,
            x=[block_label(int(layer)) for layer in cells["ami"].columns],
            y=order,
            text=[
                [
                    cell_label(
                        f"{value + 0.0:.2f}" + (f" ({by_chance + 0.0:.2f})" if some else ""),
                        strength > INTENSITY_DARK * highest,
                    )
                    for value, by_chance, some, strength in zip(*line, strict=True)
                ]
                for line in zip(ami.round(2), null.round(2), known, beyond, strict=True)
            ],
            texttemplate="%{text}",
            textfont=CELL_FONT,
            colorscale=INTENSITY,
            zmin=0,
            zmax=highest,
            showscale=False,
            customdata=np.stack([cells[name].to_numpy() for name in cells], axis=-1),
            hovertemplate=(
                "%{y}, %{x}: AMI %{customdata[0]:.3f}"
                "<br>labels of other pairs: %{customdata[1]:.3f}, 95 % below %{customdata[2]:.3f}"
                "; p = %{customdata[3]:.3f}"
                "<br>%{customdata[4]} labels, %{customdata[5]} pairs<extra></extra>"
            ),
        )
    )
    figure.update_yaxes(autorange="reversed", gridcolor=CLEAR)
    figure.update_xaxes(gridcolor=CLEAR)
    return finish(figure, height=90 + 30 * len(order))
