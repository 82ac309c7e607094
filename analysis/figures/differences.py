"""Differences of two runs with their intervals, one row each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.errors import AnalysisError
from analysis.figures.style import INK, escape, finish

#: A difference is told from chance where its p value, corrected for all rows, is below this.
TOLD = 0.05
_COLOUR = "#8A63B8"


def differences_figure(
    frame: pd.DataFrame, one: str, other: str, labels: Sequence[str], *, percent: bool = False
) -> go.Figure:
    """Differences with 95 % intervals around a line at zero.

    A full mark: p below 0.05 after Holm's correction for all rows. A hollow one: it is not, or the
    frame has no p.

    Args:
      frame: `analysis.routing_differences` or `analysis.compare_accuracies`, or some rows of it.
      one, other: names of the two; the difference is of the first less the second.
      labels: columns whose values name a row.
      percent: whether differences are shares, shown in percentage points.

    Raises:
      AnalysisError: there are no rows.
    """
    if frame.empty:
        raise AnalysisError("there is nothing that both have, so nothing to compare")
    names = [
        _rows_name([_label(name, row[name]) for name in labels if pd.notna(row[name])])
        for row in frame.to_dict("records")
    ]
    times = 100 if percent else 1
    tested = "p_holm" in frame
    told = (frame["p_holm"] < TOLD).to_numpy() if tested else np.zeros(len(frame), bool)
    value = frame["difference"].to_numpy(float) * times
    figure = go.Figure(
        go.Scatter(
            x=value,
            y=names,
            mode="markers",
            marker={
                "size": 10,
                "color": _COLOUR,
                "symbol": ["circle" if each else "circle-open" for each in told],
                "line": {"width": 2, "color": _COLOUR},
            },
            error_x={
                "type": "data",
                "symmetric": False,
                "array": frame["high"].to_numpy(float) * times - value,
                "arrayminus": value - frame["low"].to_numpy(float) * times,
                "color": _COLOUR,
            },
            customdata=frame[["value", "other", *(["p", "p_holm"] if tested else [])]].to_numpy(
                float
            ),
            hovertemplate="%{y}: %{x:+.3g}<br>%{customdata[0]:.3g} and %{customdata[1]:.3g}"
            + (", p %{customdata[2]:.2g}, corrected %{customdata[3]:.2g}" if tested else "")
            + "<extra></extra>",
            showlegend=False,
        )
    )
    figure.add_vline(x=0, line={"color": INK, "width": 1})
    unit = " (percentage points)" if percent else ""
    ends = [0.0, *(frame["low"].to_numpy(float) * times), *(frame["high"].to_numpy(float) * times)]
    low, high = np.nanmin(ends), np.nanmax(ends)
    margin = 0.06 * (high - low) or 1.0
    figure.update_xaxes(
        title=f"{escape(one)}<br>less {escape(other)}{unit}",
        range=[low - margin, high + margin],
        nticks=7,
    )
    figure.update_yaxes(autorange="reversed", type="category", tickfont={"size": 11})
    return finish(figure, height=140 + 32 * len(names))


def _rows_name(parts: list[str]) -> str:
    """On two lines, since a phone has no room for long names beside the axis."""
    return parts[0] if len(parts) == 1 else f"{parts[0]}<br>{', '.join(parts[1:])}"


def _label(column: str, value: object) -> str:
    match column:
        case "layer":
            return f"block {value}"
        case "k":
            return f"top-{value}"
        case "task":
            return escape(str(value).removeprefix("zero_shot_").replace("_", " "))
    return escape(value)
