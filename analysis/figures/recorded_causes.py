"""Figure of the effects of changed experts that a run keeps."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from analysis.colours import MODALITY_COLOURS
from analysis.figures.style import INK, escape, finish, labels

_PATTERNS = ("", "/", "x", "\\", ".")


def recorded_causes_figure(frame: pd.DataFrame, measure: str = "measure") -> go.Figure:
    """Rise of a measure when an expert is changed for one kind of token, with its 95 % interval.

    Args:
      frame: `analysis.recorded_causes` of one router.
      measure: what is measured, with its unit.
    """
    figure = go.Figure()
    for place, kind in enumerate(dict.fromkeys(frame["kind"])):
        mine = frame[frame["kind"] == kind]
        # A run's own word, which is text: no tags, and no variable of a template.
        said = escape(kind).replace("%{", "% {")
        figure.add_bar(
            x=labels(mine["expert"].tolist()),
            y=mine["rise"],
            name=f"changed for {said} tokens",
            marker={
                "color": MODALITY_COLOURS.get(kind, INK),
                "opacity": 0.7,
                "pattern": {
                    "shape": _PATTERNS[place % len(_PATTERNS)],
                    "fgcolor": "#FFFFFF",
                    "fillmode": "overlay",
                },
            },
            error_y={
                "type": "data",
                "symmetric": False,
                "array": (mine["high"] - mine["rise"]).clip(lower=0),
                "arrayminus": (mine["rise"] - mine["low"]).clip(lower=0),
                "color": INK,
                "thickness": 1.2,
                "width": 3,
            },
            customdata=mine[["low", "high", "tokens"]],
            hovertemplate=(
                "%{x}: %{y:+.4f} (%{customdata[0]:+.4f} to %{customdata[1]:+.4f})"
                "<br>%{customdata[2]:,} " + said + " tokens choose it<extra></extra>"
            ),
        )
    figure.update_yaxes(
        title={"text": f"rise of {escape(measure)}"}, zeroline=True, zerolinecolor=INK
    )
    figure.update_layout(barmode="group")
    return finish(figure, height=340)
