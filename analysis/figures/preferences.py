"""Figures of experts' preferences by label and by position, and of paths."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.colours import expert_colour, expert_label
from analysis.figures.style import (
    CELL_FONT,
    CLEAR,
    DIVERGING,
    DIVERGING_DARK,
    INK,
    INTENSITY,
    INTENSITY_DARK,
    block_label,
    cell_label,
    escape,
    finish,
    labels,
)

#: Experts whose cells have room for a number.
_MOST_WRITTEN = 16


def preference_figure(frame: pd.DataFrame, *, measure: str = "lift", count: int = 20) -> go.Figure:
    """Heat map of labels by expert: cells give the share, colours the measure.

    Args:
      frame: `analysis.expert_preferences`.
      measure: "lift" (blue above 1, orange below, on a log scale; no colour where the share is one
        that the labels of other pairs give too, or where tokens and expected tokens are both fewer
        than five) or "share".
      count: only this many labels, those with the most tokens.

    Cells of more than 16 experts have no room for numbers, which are in the hover text then.
    """
    largest = frame.drop_duplicates("value").nlargest(count, "total")["value"]
    rows = frame[frame["value"].isin(largest)]
    order = rows.drop_duplicates("value").sort_values("total", ascending=False)["value"]
    written = rows["expert"].nunique() <= _MOST_WRITTEN
    columns = ["share", "base", "lift", "low", "high", "null_low", "null_high"]
    columns += ["tokens", "total", "pairs"]
    cells = {
        column: rows.pivot(index="value", columns="expert", values=column).loc[order].to_numpy()
        for column in columns
    }
    share, lift, total = cells["share"], cells["lift"], cells["total"]
    if measure == "lift":
        # log2, clipped at 4 times more or less, where the colour is already full.
        colour = np.log2(np.where(lift > 0, lift, 0.25).clip(0.25, 4.0))
        within = (cells["null_low"] <= share) & (share <= cells["null_high"])
        colour[within | (np.maximum(cells["base"] * total, cells["tokens"]) < 5)] = 0.0
        scale = {"colorscale": DIVERGING, "zmin": -2, "zmax": 2}
        bar = {"tickvals": [-2, -1, 0, 1, 2], "ticktext": ["¼×", "½×", "1×", "2×", "4×"]}
        dark = np.abs(colour) / 2 > DIVERGING_DARK
    else:
        colour = share
        scale = {"colorscale": INTENSITY, "zmin": 0}
        bar = {"tickformat": ".0%"}
        dark = colour > INTENSITY_DARK * colour.max(initial=0.0)
    figure = go.Figure(
        go.Heatmap(
            z=colour,
            x=labels(sorted(rows["expert"].unique())),
            y=[f"{escape(value)} ({int(n[0])})" for value, n in zip(order, total, strict=True)],
            text=[
                [cell_label(f"{value:.0%}", d) for value, d in zip(*line, strict=True)]
                for line in zip(share, dark, strict=True)
            ]
            if written
            else None,
            texttemplate="%{text}" if written else None,
            textfont=CELL_FONT,
            customdata=np.stack([*(cells[name] for name in columns), _interval(cells)], axis=-1),
            hovertemplate=(
                "%{y}<br>%{x}: %{customdata[0]:.1%} (%{customdata[10]})"
                "<br>%{customdata[5]:.1%} to %{customdata[6]:.1%} with the labels of other pairs"
                "<br>%{customdata[2]:.2f} times its base rate"
                "<br>%{customdata[7]} of %{customdata[8]} tokens, %{customdata[9]} pairs"
                "<extra></extra>"
            ),
            colorbar={"outlinewidth": 0, "thickness": 12, **bar},
            **scale,
        )
    )
    figure.update_yaxes(autorange="reversed", gridcolor=CLEAR)
    figure.update_xaxes(gridcolor=CLEAR, side="top")
    # Room for the names of experts below the buttons that a phone always shows.
    return finish(figure, height=80 + 28 * len(order)).update_layout(margin={"t": 65, "b": 15})


def _interval(cells: dict[str, np.ndarray]) -> np.ndarray:
    """The interval of each share in words."""
    words = [
        "pairs too few for an interval" if np.isnan(low) else f"{low:.1%} to {high:.1%}"
        for low, high in zip(cells["low"].flat, cells["high"].flat, strict=True)
    ]
    return np.array(words, dtype=object).reshape(cells["low"].shape)


def position_figure(frame: pd.DataFrame, *, columns: int = 4, count: int = 16) -> go.Figure:
    """Share of the patches at each grid cell that goes to each expert.

    A dot marks cells whose share lies beyond what place has by chance.

    Args:
      frame: `analysis.position_frame`.
      columns: small maps per row.
      count: only this many experts, those with the most patches.
    """
    most = frame.groupby("expert")["share"].sum().nlargest(count)
    experts = sorted(most.index)
    rows = -(-len(experts) // columns)
    figure = make_subplots(
        rows=max(rows, 1),
        cols=columns,
        subplot_titles=labels(experts),
        horizontal_spacing=0.02,
        vertical_spacing=0.14 / max(rows, 1),
    )
    largest = float(frame["share"].max()) or 1.0  # of an expert without patches all are 0
    for place, expert in enumerate(experts):
        mine = frame[frame["expert"] == expert]
        table, low, high, *interval = (
            mine.pivot(index="row", columns="column", values=value).to_numpy()
            for value in ("share", "null_low", "null_high", "low", "high")
        )
        beyond = (table < low) | (table > high)
        figure.add_trace(
            go.Heatmap(
                z=table,
                text=np.where(beyond, "•", ""),
                texttemplate="%{text}",
                customdata=np.stack([low, high, *interval], axis=-1),
                zmin=0,
                zmax=largest,
                colorscale=[[0, "rgba(128, 128, 128, 0.08)"], [1, expert_colour(int(expert))]],
                showscale=False,
                xgap=1,
                ygap=1,
                hovertemplate=(
                    expert_label(int(expert))
                    + ", row %{y}, column %{x}: %{z:.1%} of the patches there "
                    "(95 %: %{customdata[2]:.1%} to %{customdata[3]:.1%})"
                    "<br>wherever they were: %{customdata[0]:.1%} to %{customdata[1]:.1%}"
                    "<extra></extra>"
                ),
            ),
            row=place // columns + 1,
            col=place % columns + 1,
        )
    figure.update_xaxes(visible=False, constrain="domain")
    figure.update_yaxes(visible=False, autorange="reversed", constrain="domain")
    for place in range(len(experts)):
        axis = "" if place == 0 else str(place + 1)
        figure.update_layout({f"yaxis{axis}": {"scaleanchor": f"x{axis}"}})
    return finish(figure, height=60 + 170 * max(rows, 1))


def paths_figure(frame: pd.DataFrame, modality: str, *, count: int = 12) -> go.Figure:
    """Flow of one modality's tokens through the experts of successive MoE layers.

    Args:
      frame: `analysis.transitions`.
      count: experts of each layer with a node of their own, those with the most tokens; all others
        have one together.
    """
    rows = _merged(frame[frame["modality"] == modality], count)
    sources = list(zip(rows["layer"], rows["expert"], strict=True))
    targets = list(zip(rows["next_layer"], rows["next_expert"], strict=True))
    nodes = sorted({*sources, *targets})
    number = {node: place for place, node in enumerate(nodes)}
    layers = sorted({layer for layer, _ in nodes})
    figure = go.Figure(
        go.Sankey(
            arrangement="snap",
            node={
                "label": [_node_label(expert) for _, expert in nodes],
                "color": [_node_colour(expert) for _, expert in nodes],
                "pad": 12,
                "thickness": 16,
                "line": {"color": INK, "width": 0.5},
                "customdata": [f"{block_label(at)}, {_node_label(e)}" for at, e in nodes],
                "hovertemplate": "%{customdata}: %{value} tokens<extra></extra>",
            },
            link={
                "source": [number[node] for node in sources],
                "target": [number[node] for node in targets],
                "value": rows["tokens"],
                "color": [_faint(_node_colour(expert)) for _, expert in sources],
                "hovertemplate": (
                    "%{source.customdata} → %{target.customdata}: %{value} tokens<extra></extra>"
                ),
            },
        )
    )
    for place, layer in enumerate(layers):
        figure.add_annotation(
            x=place / max(len(layers) - 1, 1),
            y=1.0,
            yshift=22,
            xref="paper",
            yref="paper",
            text=block_label(layer),
            showarrow=False,
        )
    return finish(figure, height=430).update_layout(margin={"t": 70, "b": 20})


#: Stands for all experts of a layer without a node of their own.
_OTHERS = -1


def _merged(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """The flows, with the experts of each layer beyond the `count` largest taken together."""
    ends = [("layer", "expert"), ("next_layer", "next_expert")]
    tokens = pd.concat(
        [rows.groupby(list(end))["tokens"].sum().rename_axis(["layer", "expert"]) for end in ends]
    )
    largest = tokens.groupby(["layer", "expert"]).max()
    own = set(largest.groupby("layer", group_keys=False).nlargest(count).index)
    rows = rows.copy()
    for layer, expert in ends:
        kept = [pair in own for pair in zip(rows[layer], rows[expert], strict=True)]
        rows[expert] = np.where(kept, rows[expert], _OTHERS)
    places = ["layer", "expert", "next_layer", "next_expert"]
    return rows.groupby(places)["tokens"].sum().reset_index()


def _node_label(expert: int) -> str:
    return "others" if expert == _OTHERS else expert_label(int(expert))


def _node_colour(expert: int) -> str:
    return INK if expert == _OTHERS else expert_colour(int(expert))


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, 0.35)"
