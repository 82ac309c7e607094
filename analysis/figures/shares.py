"""Figures of token shares per expert, at one step and over training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.colours import (
    MODALITY_COLOURS,
    ROLE_COLOURS,
    expert_colour,
    expert_label,
    expert_pattern,
)
from analysis.errors import AnalysisError
from analysis.figures.style import (
    CLEAR,
    GRID,
    INK,
    INTENSITY,
    ROWS_MARGIN,
    block_label,
    finish,
    labels,
    rows_layout,
    step_axis,
)
from analysis.specialisation import ROLES

#: Experts that have room for their roles under their names.
FEW = 12


def shares_figure(frame: pd.DataFrame) -> go.Figure:
    """Each expert's share of image tokens (bars up) and text tokens (hatched, down).

    Args:
      frame: `analysis.roles` of one or several layers, or `analysis.top_experts` of them; a row of
        the figure for each layer.
    """
    layers = sorted(frame["layer"].unique())
    # Between rows: roles, which Plotly turns where they do not fit, and a title.
    height, spacing = rows_layout(max(len(layers), 1), row=155, between=105)
    figure = make_subplots(
        rows=len(layers) or 1,
        cols=1,
        vertical_spacing=spacing,
        subplot_titles=[block_label(layer) for layer in layers] if len(layers) > 1 else None,
    )
    for row, layer in enumerate(layers, start=1):
        for bar in _share_bars(frame[frame["layer"] == layer]):
            figure.add_trace(bar, row=row, col=1)
        mine = frame[frame["layer"] == layer]
        if "role" in mine and len(mine) <= FEW:
            figure.update_xaxes(
                tickvals=_names(mine),
                ticktext=[
                    f"{name}<br><i>{role}</i>"
                    for name, role in zip(_names(mine), mine["role"], strict=True)
                ],
                row=row,
                col=1,
            )
    figure.add_traces(_share_legend())
    _share_axes(figure, float(frame[["image_share", "text_share"]].to_numpy().max(initial=0.0)))
    if len(layers) < 2:
        return finish(figure, height=320)
    return finish(figure, height=height).update_layout(margin=ROWS_MARGIN)


def roles_figure(frame: pd.DataFrame) -> go.Figure:
    """How many experts of each layer have each role: of any number of experts and layers.

    Args:
      frame: `analysis.roles`.
    """
    counts = frame.groupby(["layer", "role"]).size().unstack(fill_value=0)
    figure = go.Figure()
    for role, shape in zip(ROLES, ("", ".", "x", "-", "/", "+"), strict=True):
        if role not in counts:
            continue
        figure.add_bar(
            x=[block_label(layer) for layer in counts.index],
            y=counts[role],
            name=role,
            marker={
                "color": ROLE_COLOURS[role],
                "pattern": {"shape": shape, "fillmode": "overlay", "fgcolor": "#FFFFFF"},
            },
            hovertemplate="%{x}: %{y} experts, " + role + "<extra></extra>",
        )
    figure.update_layout(barmode="stack", bargap=0.15)
    figure.update_yaxes(title={"text": "experts"})
    return finish(figure, height=320)


def _share_legend() -> list[go.Bar]:
    """Legend of plain and hatched bars, in grey, as the bars have the experts' colours."""
    return [
        go.Bar(
            x=[None],
            y=[None],
            name=f"{modality} tokens",
            legendgroup=modality,
            marker={
                "color": INK,
                "pattern": {"shape": shape, "fillmode": "overlay", "fgcolor": "#FFFFFF"},
            },
        )
        for modality, shape in (("image", ""), ("text", "/"))
    ]


def _names(frame: pd.DataFrame) -> list[str]:
    """Names of the experts; the row that stands for several says for how many."""
    several = frame["experts"] if "experts" in frame else [1] * len(frame)
    return [
        f"{n} others" if expert < 0 else expert_label(int(expert))
        for expert, n in zip(frame["expert"], several, strict=True)
    ]


def _share_bars(frame: pd.DataFrame) -> list[go.Bar]:
    colours = [INK if expert < 0 else expert_colour(int(expert)) for expert in frame["expert"]]
    roles = frame["role"] if "role" in frame else pd.Series([""] * len(frame), index=frame.index)
    bars = []
    for modality, sign, shape in (("image", 1, ""), ("text", -1, "/")):
        purity = frame[f"{modality}_purity"]
        bars.append(
            go.Bar(
                x=_names(frame),
                y=sign * frame[f"{modality}_share"],
                name=f"{modality} tokens",
                legendgroup=modality,
                showlegend=False,
                marker={
                    "color": colours,
                    "line": {"color": INK, "width": 0.5},
                    "pattern": {"shape": shape, "fillmode": "overlay", "fgcolor": "#FFFFFF"},
                },
                customdata=np.stack(
                    [
                        frame[f"{modality}_share"],
                        frame[f"{modality}_tokens"],
                        purity.fillna(0.0),
                        roles,
                    ],
                    axis=-1,
                ),
                hovertemplate=(
                    "%{x}: %{customdata[0]:.1%} of the "
                    + modality
                    + " tokens (%{customdata[1]})<br>"
                    + "%{customdata[2]:.0%} of this expert is "
                    + modality
                    + ", modalities weighted equally<br>role: %{customdata[3]}<extra></extra>"
                ),
            )
        )
    return bars


def _share_axes(figure: go.Figure, largest: float) -> None:
    step = next(s for s in (0.05, 0.1, 0.2, 0.25) if largest / s <= 4.01)
    ticks = np.arange(-int(np.ceil(largest / step)), int(np.ceil(largest / step)) + 1) * step
    figure.update_yaxes(
        tickvals=ticks,
        ticktext=[f"{abs(tick):.0%}" for tick in ticks],
        range=[-1.08 * max(largest, 0.05), 1.08 * max(largest, 0.05)],
        title={"text": "text ↓   image ↑"},
        zeroline=True,
        zerolinecolor=INK,
    )
    figure.update_layout(barmode="relative", bargap=0.15)


def composition_figure(frame: pd.DataFrame) -> go.Figure:
    """Modality mixture of each expert, modalities weighted equally.

    Dotted lines mark the roles' limits of 90 % and 20 %.

    Args:
      frame: `analysis.roles` of one layer.
    """
    used = frame[frame["role"] != "dead"]
    figure = go.Figure()
    for modality, shape in (("image", ""), ("text", "/")):
        figure.add_bar(
            x=labels(used["expert"].tolist()),
            y=used[f"{modality}_purity"],
            name=f"{modality} tokens",
            marker={
                "color": MODALITY_COLOURS[modality],
                "pattern": {"shape": shape, "fgcolor": "#FFFFFF", "fillmode": "overlay"},
            },
            customdata=used["role"],
            hovertemplate="%{x}: %{y:.1%} " + modality + "<br>role: %{customdata}<extra></extra>",
        )
    for mark in (0.1, 0.2, 0.8, 0.9):
        figure.add_hline(y=mark, line={"color": INK, "width": 1, "dash": "dot"})
    figure.update_layout(barmode="stack", bargap=0.15)
    figure.update_yaxes(tickformat=".0%", range=[0, 1], title={"text": "share of the expert"})
    return finish(figure, height=320)


def shares_over_steps_figure(
    frame: pd.DataFrame, layer: int, modality: str, *, log: bool = True, count: int = 16
) -> go.Figure:
    """One modality's tokens over training, stacked by expert.

    Args:
      frame: `analysis.shares_over_steps`.
      log: a logarithmic time axis, on which the early steps have room.
      count: experts with a band of their own, those with the largest mean share; the band on top is
        all others together.
    """
    rows = _of_layer(frame, layer)
    mean = rows.groupby("expert")[f"{modality}_share"].mean()
    own = sorted(mean.nlargest(count).index) if len(mean) > count else sorted(mean.index)
    others = rows[~rows["expert"].isin(own)]
    rows = rows[rows["expert"].isin(own)]
    places, axis = step_axis(rows["step"].tolist(), log)
    figure = go.Figure()
    for expert in sorted(rows["expert"].unique().tolist()):
        mine = rows[rows["expert"] == expert]
        figure.add_scatter(
            x=[places[step] for step in mine["step"]],
            y=mine[f"{modality}_share"],
            name=expert_label(expert),
            mode="lines",
            stackgroup="all",
            line={"color": expert_colour(expert), "width": 0.5},
            fillcolor=expert_colour(expert),
            fillpattern={"shape": expert_pattern(expert), "fgcolor": "#FFFFFF", "size": 6},
            customdata=mine["step"],
            hovertemplate="%{fullData.name}: %{y:.1%}, step %{customdata}<extra></extra>",
        )
        last = mine.iloc[-1][f"{modality}_share"]
        if last > 0.04:  # the name at the end of the band, for readers who cannot see its colour
            figure.add_annotation(
                x=1,
                xref="paper",
                xanchor="left",
                xshift=4,
                y=_middle(rows, expert, modality),
                text=expert_label(expert),
                showarrow=False,
            )
    if len(others):
        rest = others.groupby("step", as_index=False)[f"{modality}_share"].sum()
        figure.add_scatter(
            x=[places[step] for step in rest["step"]],
            y=rest[f"{modality}_share"],
            name=f"{others['expert'].nunique()} others",
            mode="lines",
            stackgroup="all",
            line={"color": INK, "width": 0.5},
            fillcolor="rgba(122, 122, 122, 0.35)",
            customdata=rest["step"],
            hovertemplate="%{fullData.name}: %{y:.1%}, step %{customdata}<extra></extra>",
        )
    figure.update_xaxes(axis)
    figure.update_yaxes(
        tickformat=".0%", range=[0, 1], title={"text": f"share of {modality} tokens"}
    )
    return finish(figure, height=340).update_layout(margin={"r": 45})


def _middle(rows: pd.DataFrame, expert: int, modality: str) -> float:
    last = rows[rows["step"] == rows["step"].max()].sort_values("expert")
    share = last.set_index("expert")[f"{modality}_share"]
    return float(share[share.index < expert].sum() + share[expert] / 2)


def shares_heat_figure(
    frame: pd.DataFrame, layer: int, modality: str, *, log: bool = True
) -> go.Figure:
    """One modality's tokens over training as a heat map, one row per expert.

    Args:
      frame: `analysis.shares_over_steps`.
    """
    rows = _of_layer(frame, layer)
    table = rows.pivot(index="expert", columns="step", values=f"{modality}_share")
    names = [f"{step:,}" for step in table.columns]
    figure = go.Figure(
        go.Heatmap(
            z=table.to_numpy(),
            x=names,
            y=labels(table.index.tolist()),
            colorscale=INTENSITY,
            zmin=0,
            colorbar={"tickformat": ".0%", "outlinewidth": 0, "thickness": 12},
            hovertemplate="%{y}, step %{x}: %{z:.1%}<extra></extra>",
        )
    )
    # Probes are denser early on; equal columns give those steps the room that log=True asks for.
    figure.update_xaxes(type="category", title={"text": "step of the probe"})
    if not log:
        figure.data[0].x = list(table.columns)
        figure.update_xaxes(type="linear", title={"text": "step"})
    figure.update_yaxes(autorange="reversed", gridcolor=CLEAR)
    figure.update_xaxes(gridcolor=CLEAR)
    return finish(figure, height=320)


def emergence_figure(frame: pd.DataFrame, layer: int) -> go.Figure:
    """`shares_figure` of one layer with a slider and an animation over the probe steps.

    Args:
      frame: `analysis.shares_over_steps`.
    """
    rows = _of_layer(frame, layer)
    steps = sorted(rows["step"].unique())
    figure = go.Figure([*_share_bars(rows[rows["step"] == steps[-1]]), *_share_legend()])
    figure.frames = [
        go.Frame(name=str(step), data=_share_bars(rows[rows["step"] == step]), traces=[0, 1])
        for step in steps
    ]
    _share_axes(figure, float(rows[["image_share", "text_share"]].to_numpy().max(initial=0.0)))
    figure.update_layout(sliders=[_slider(steps)], updatemenus=[_play_button()])
    return finish(figure, height=440).update_layout(margin={"b": 110})


#: Plotly 7 fails when it moves hatched bars gradually: their pattern cannot be set on the way.
_AT_ONCE = {"transition": {"duration": 0}}


def _slider(steps: Sequence[int]) -> dict:
    still = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, **_AT_ONCE}
    return {
        "active": len(steps) - 1,
        "currentvalue": {"prefix": "step "},
        "pad": {"t": 30, "l": 100, "r": 25},  # on the right, room for half of the last step's label
        "steps": [
            {"label": f"{step:,}", "method": "animate", "args": [[str(step)], still]}
            for step in steps
        ],
    }


def _play_button() -> dict:
    play = {"frame": {"duration": 350, "redraw": True}, "fromcurrent": False, **_AT_ONCE}
    pause = {"mode": "immediate", "frame": {"duration": 0, "redraw": False}, **_AT_ONCE}
    return {
        "type": "buttons",
        "direction": "left",
        "x": 0,
        "y": 0,
        "xanchor": "left",
        "yanchor": "top",
        "pad": {"t": 45},
        "showactive": False,  # its light colour would hide a dark page's text
        "bgcolor": GRID,
        "bordercolor": INK,
        "buttons": [
            {"label": "▶", "method": "animate", "args": [None, play]},
            {"label": "❚❚", "method": "animate", "args": [[None], pause]},
        ],
    }


def _of_layer(frame: pd.DataFrame, layer: int) -> pd.DataFrame:
    rows = frame[frame["layer"] == layer]
    if rows.empty:
        have = sorted(frame["layer"].unique().tolist())
        raise AnalysisError(f"the frame has no layer {layer}; it has {have}")
    return rows
