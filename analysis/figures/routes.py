"""Figures of how modalities part, of experts off or together, of swapped gates and of routes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.colours import MODALITY_COLOURS
from analysis.figures.style import (
    CLEAR,
    DIVERGING,
    INK,
    block_label,
    error_bars,
    finish,
    labels,
    rows_layout,
)

_BITS = "rgba(138, 99, 184, 0.55)"
#: Colours and marks of kinds of two tokens.
_KINDS = {
    "image, image": (MODALITY_COLOURS["image"], "circle"),
    "text, text": (MODALITY_COLOURS["text"], "square"),
    "image, text": ("#8A63B8", "diamond"),
}
_ROUTERS = {"own": (INK, ""), "donor": ("#4B3CD2", ""), "random": ("#8C8C8C", "x")}


def divergence_figure(frame: pd.DataFrame) -> go.Figure:
    """Jensen–Shannon divergence of image and text routing by layer, with its null.

    Args:
      frame: `analysis.routing_divergence`.
    """
    layers = [block_label(layer) for layer in frame["layer"]]
    figure = go.Figure(
        go.Bar(
            x=layers,
            y=frame["bits"],
            name="divergence",
            marker={"color": _BITS},
            error_y=error_bars(frame, "bits", "low", "high"),
            customdata=frame[["low", "high", "null", "null_high", "p", "pairs"]],
            hovertemplate=(
                "%{x}: %{y:.3f} bits (%{customdata[0]:.3f} to %{customdata[1]:.3f})"
                "<br>by chance %{customdata[2]:.3f}, 95 % below %{customdata[3]:.3f}; "
                "p = %{customdata[4]:.3f}<br>%{customdata[5]} pairs<extra></extra>"
            ),
        )
    )
    figure.add_scatter(
        x=layers,
        y=frame["null_high"],
        mode="markers",
        name="by chance, 95 % below",
        marker={"symbol": "line-ew-open", "size": 26, "color": INK, "line": {"width": 2}},
        hoverinfo="skip",
    )
    figure.update_yaxes(range=[0, 1.05], title={"text": "divergence, bits"})
    return finish(figure, height=300)


def removal_figure(frame: pd.DataFrame, measure: str = "loss") -> go.Figure:
    """Loss or accuracy against the number of experts off, by modality and order.

    Args:
      frame: `analysis.experts_removed` or `analysis.measured_removal`.
      measure: "loss" or "top1".
    """
    figure = go.Figure()
    for (modality, order), mine in frame.groupby(["modality", "order"], sort=False):
        random = order == "random order"
        figure.add_scatter(
            x=mine["removed"],
            y=mine[measure],
            name=f"{modality}, {order}",
            mode="lines+markers",
            line={"color": MODALITY_COLOURS[str(modality)], "dash": "dot" if random else "solid"},
            marker={"symbol": "circle-open" if random else "circle", "size": 8},
            error_y=error_bars(mine, measure, f"{measure}_low", f"{measure}_high"),
            customdata=mine[[f"{measure}_low", f"{measure}_high", "pairs"]],
            hovertemplate=(
                "%{fullData.name}: %{x} experts off"
                "<br>%{y:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f})"
                "<br>%{customdata[2]} pairs<extra></extra>"
            ),
        )
    figure.add_hline(
        y=frame[f"chance_{measure}"].iloc[0],
        line={"color": INK, "dash": "dash", "width": 1.5},
        annotation={"text": "chance", "font": {"color": INK}},
    )
    title = {"loss": "contrastive loss, nats", "top1": "own text is nearest"}[measure]
    figure.update_xaxes(title={"text": "experts off, over all layers"}, rangemode="tozero")
    figure.update_yaxes(
        title={"text": title}, rangemode="tozero", tickformat=".0%" if measure == "top1" else ""
    )
    return finish(figure, height=360)


def coactivation_figure(frame: pd.DataFrame, modality: str, layer: int) -> go.Figure:
    """Heat map of two experts of a layer that tokens have together, over independent choices.

    Blue above, orange below, on a log scale; no colour where the interval holds 1.

    Args:
      frame: `analysis.coactivation`.
      modality: "image" or "text".
      layer: number of the block.
    """
    mine = frame[(frame["layer"] == layer) & (frame["modality"] == modality)]
    experts = sorted({*mine["expert"], *mine["other"]})
    columns = ["lift", "low", "high", "together", "expected", "share"]
    size = len(experts)
    cells = np.full((len(columns), size, size), np.nan)
    place = {expert: at for at, expert in enumerate(experts)}
    for row in mine.itertuples():
        values = [getattr(row, name) for name in columns]
        for one, other in ((row.expert, row.other), (row.other, row.expert)):
            cells[:, place[one], place[other]] = values
    lift, low, high = cells[:3]
    known = np.isfinite(lift)
    colour = np.where(known, np.log2(np.where(lift > 0, lift, 0.25).clip(0.25, 4)), np.nan)
    colour[(low <= 1) & (high >= 1)] = 0
    names = labels(experts)
    figure = go.Figure(
        go.Heatmap(
            z=colour,
            x=names,
            y=names,
            colorscale=DIVERGING,
            zmin=-2,
            zmax=2,
            customdata=np.moveaxis(cells, 0, -1),
            hovertemplate=(
                "%{y} and %{x}: %{customdata[0]:.2f} times as often as independent choices "
                "(%{customdata[1]:.2f} to %{customdata[2]:.2f})"
                "<br>%{customdata[3]} tokens; %{customdata[5]:.1%}, expected %{customdata[4]:.1%}"
                "<extra></extra>"
            ),
            colorbar={
                "outlinewidth": 0,
                "thickness": 12,
                "tickvals": [-2, -1, 0, 1, 2],
                "ticktext": ["¼×", "½×", "1×", "2×", "4×"],
            },
        )
    )
    figure.update_yaxes(autorange="reversed", gridcolor=CLEAR, scaleanchor="x", constrain="domain")
    figure.update_xaxes(gridcolor=CLEAR, constrain="domain")
    return finish(figure, height=420)


def overlap_figure(frame: pd.DataFrame) -> go.Figure:
    """Overlap of two tokens' experts against the similarity of the router's inputs, by layer.

    Args:
      frame: `analysis.routing_overlap`.
    """
    layers = sorted(frame["layer"].unique())
    height, spacing = rows_layout(max(len(layers), 1), row=190, between=60)
    figure = make_subplots(
        rows=len(layers) or 1,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=spacing,
        subplot_titles=[block_label(layer) for layer in layers],
    )
    for row, layer in enumerate(layers, start=1):
        for kind, (colour, mark) in _KINDS.items():
            mine = frame[(frame["layer"] == layer) & (frame["kind"] == kind)]
            if mine.empty:
                continue
            figure.add_scatter(
                x=mine["cosine"],
                y=mine["overlap"],
                name=kind,
                legendgroup=kind,
                showlegend=row == 1,
                mode="lines+markers",
                line={"color": colour},
                marker={"symbol": mark, "size": 8},
                error_y=error_bars(mine, "overlap", "low", "high"),
                customdata=mine[["low", "high", "chance", "correlation", "token_pairs"]],
                hovertemplate=(
                    "%{fullData.name}, cosine %{x:.2f}: %{y:.1%} in common "
                    "(%{customdata[0]:.1%} to %{customdata[1]:.1%})"
                    "<br>whatever the similarity: %{customdata[2]:.1%}; correlation of ranks "
                    "%{customdata[3]:.2f}<br>%{customdata[4]} token pairs<extra></extra>"
                ),
                row=row,
                col=1,
            )
    figure.update_yaxes(title={"text": "experts in common"}, range=[-0.02, 1.02], tickformat=".0%")
    figure.update_xaxes(title={"text": "cosine of inputs, less their mean"}, row=len(layers) or 1)
    return finish(figure, height=height).update_layout(margin={"t": 70, "b": 50})


def gate_swap_figure(frame: pd.DataFrame) -> go.Figure:
    """Rise of the loss with other routers, by layer.

    Args:
      frame: `analysis.gate_swap`.
    """
    swapped = frame[frame["layer"] != "none"]
    figure = go.Figure()
    for routers, (colour, shape) in _ROUTERS.items():
        mine = swapped[swapped["routers"] == routers]
        if mine.empty:
            continue
        figure.add_bar(
            x=["all layers" if layer == "all" else f"block {layer}" for layer in mine["layer"]],
            y=mine["rise"],
            name=f"{routers} routers",
            marker={
                "color": colour,
                "opacity": 0.7,
                "pattern": {"shape": shape, "fgcolor": "#FFFFFF", "fillmode": "overlay"},
            },
            error_y=error_bars(mine, "rise", "rise_low", "rise_high"),
            customdata=mine[["rise_low", "rise_high", "top1", "moved", "pairs"]],
            hovertemplate=(
                "%{x}, %{fullData.name}: %{y:+.3f} nats (%{customdata[0]:+.3f} to "
                "%{customdata[1]:+.3f})<br>own text is nearest: %{customdata[2]:.1%}; "
                "%{customdata[3]:.1%} of first choices change<br>%{customdata[4]} pairs"
                "<extra></extra>"
            ),
        )
    figure.update_layout(barmode="group")
    figure.update_yaxes(title={"text": "rise of loss, nats"}, zeroline=True, zerolinecolor=INK)
    return finish(figure, height=340)


def regret_figure(frame: pd.DataFrame) -> go.Figure:
    """Regret of the model's routes and of random ones, by modality.

    Args:
      frame: `analysis.regret_summary`.
    """
    figure = go.Figure()
    for name, called, shape in (
        ("regret", "the model's route", ""),
        ("random_regret", "a random route", "x"),
    ):
        figure.add_bar(
            x=frame["modality"],
            y=frame[name],
            name=called,
            marker={
                "color": [MODALITY_COLOURS[modality] for modality in frame["modality"]],
                "opacity": 0.7,
                "pattern": {"shape": shape, "fgcolor": "#FFFFFF", "fillmode": "overlay"},
            },
            error_y=error_bars(frame, name, f"{name}_low", f"{name}_high"),
            customdata=frame[[f"{name}_low", f"{name}_high", "better", "tokens", "pairs"]],
            hovertemplate=(
                "%{x}, %{fullData.name}: %{y:.4f} nats over the best (%{customdata[0]:.4f} to "
                "%{customdata[1]:.4f})<br>%{customdata[2]:.1%} of routes are better than the "
                "model's<br>%{customdata[3]} tokens of %{customdata[4]} pairs<extra></extra>"
            ),
        )
    figure.update_layout(barmode="group")
    figure.update_yaxes(title={"text": "loss over the best route, nats"}, rangemode="tozero")
    return finish(figure, height=320)
