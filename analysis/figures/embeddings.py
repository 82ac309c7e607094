"""Figures of maps of embeddings, and of the gap between modalities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.colours import EXPERT_COLOURS, MODALITY_COLOURS, expert_colour, expert_label
from analysis.errors import AnalysisError
from analysis.figures.style import INK, escape, finish

#: Values of a label that have a colour of their own; the others share a grey.
MOST_COLOURED = 31
OTHER, OTHER_COLOUR = "other", "#8C8C8C"
_SYMBOLS = {"image": "circle", "text": "diamond"}
_LONGEST = 60


def coloured_values(column: pd.Series) -> dict[str, str]:
    """The values of a label of points with their colours, in the order of the legend.

    Experts have their own; of other labels the values that most points have come first, and those
    after the first 31 are "other". Points without a value have none here.
    """
    name = str(column.name)
    if name == "modality":
        return {value: MODALITY_COLOURS[value] for value in ("image", "text")}
    if name.startswith("block "):
        experts = sorted({int(expert) for expert in column if expert >= 0})
        return {expert_label(expert): expert_colour(expert) for expert in experts}
    counts = column[column != ""].value_counts(sort=False)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    shown = {
        str(value): EXPERT_COLOURS[place]
        for place, (value, _) in enumerate(ordered[:MOST_COLOURED])
    }
    return shown if len(ordered) <= MOST_COLOURED else {**shown, OTHER: OTHER_COLOUR}


def value_names(column: pd.Series) -> Sequence[str]:
    """The value of each point as `coloured_values` names it; "" where it has none."""
    if str(column.name).startswith("block "):
        return [expert_label(int(expert)) if expert >= 0 else "" for expert in column]
    known = coloured_values(column)
    other = OTHER if OTHER in known else ""
    return [value if value in known else (other if value else "") for value in map(str, column)]


def embedding_figure(frame: pd.DataFrame, by: str = "modality") -> go.Figure:
    """A map of points, coloured by a label: circles are pictures or patches, diamonds text.

    Args:
      frame: `analysis.map_frame`.

    Raises:
      AnalysisError: the points have no such label.
    """
    if by not in frame:
        raise AnalysisError(
            f"the points have no label {by!r}; they have {', '.join(map(str, frame))}"
        )
    names = np.asarray(value_names(frame[by]), object)
    colours = {**coloured_values(frame[by]), **({"": OTHER_COLOUR} if "" in set(names) else {})}
    figure = go.Figure()
    for value, colour in colours.items():
        mine = frame[names == value]
        figure.add_scattergl(
            x=mine["x"],
            y=mine["y"],
            mode="markers",
            name=escape(value or f"no {by}"),
            marker={
                "color": colour,
                "size": 6,
                "opacity": 0.8,
                "symbol": [_SYMBOLS[modality] for modality in mine["modality"]],
            },
            text=[escape(str(label)[:_LONGEST]) for label in mine["label"]],
            hovertemplate="%{text}<extra>%{fullData.name}</extra>",
        )
    figure.update_xaxes(showticklabels=False, zeroline=False)
    figure.update_yaxes(showticklabels=False, zeroline=False)
    return finish(figure, height=560)


def gap_figure(frame: pd.DataFrame) -> go.Figure:
    """Each measure of the modality gap with its interval, beside its null.

    Args:
      frame: `analysis.modality_gap`.
    """
    figure = make_subplots(
        rows=len(frame),
        cols=1,
        subplot_titles=[f"<b>{measure}</b>" for measure in frame["measure"]],
        vertical_spacing=0.4,
    )
    for row, each in enumerate(frame.to_dict("records"), start=1):
        for place, (name, value, low, high, colour) in enumerate(
            (
                ("exchanged", each["null"], each["null_low"], each["null_high"], INK),
                ("measured", each["value"], each["low"], each["high"], MODALITY_COLOURS["image"]),
            )
        ):
            figure.add_scatter(
                x=[low, high],
                y=[place, place],
                mode="lines",
                line={"color": colour, "width": 6},
                opacity=0.45,
                hoverinfo="skip",
                row=row,
                col=1,
            )
            figure.add_scatter(
                x=[value],
                y=[place],
                mode="markers+text",
                marker={"color": colour, "size": 11, "symbol": "circle" if place else "line-ns"},
                text=[f"{value:.3f}"],
                textposition="top center",
                hovertemplate=f"{name}: %{{x:.3f}} ({low:.3f} to {high:.3f})<extra></extra>",
                row=row,
                col=1,
            )
        figure.update_yaxes(
            tickvals=[0, 1], ticktext=["exchanged", "measured"], range=[-0.5, 1.8], row=row, col=1
        )
        most = max(each["value"], each["high"], each["null_high"])
        figure.update_xaxes(range=[0, 1.08 * max(most, 0.05)], row=row, col=1)
    figure.update_layout(showlegend=False)
    for title in figure.layout.annotations:
        title.update(x=0, xanchor="left", font={"size": 13})
    return finish(figure, height=120 * len(frame) + 80)
