"""Measures of one or several runs on one time axis."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.colours import MODALITY_COLOURS
from analysis.errors import AnalysisError
from analysis.figures.style import DASHES, INK, escape, finish, step_axis
from analysis.timeline import MEASURES

_SYMBOLS = {"image": "circle", "text": "diamond"}


def timeline_figure(
    timelines: Mapping[str, pd.DataFrame],
    layer: int | None = None,
    *,
    log: bool = True,
    measures: tuple[str, ...] | None = None,
) -> go.Figure:
    """Loss, specialisation, entropies, drops and saturation on one time axis.

    Args:
      timelines: `analysis.timeline_frame` of each run by its name; the runs differ by their dashes.
      layer: block number of the MoE layer whose routers are shown; None for measures without one.
      log: a logarithmic time axis.
      measures: names from `analysis.timeline.MEASURES`; all that the runs have by default.
    """
    chosen = {
        run: frame[frame["layer"].isna() | (frame["layer"] == layer)]
        for run, frame in timelines.items()
    }
    have = {measure for frame in chosen.values() for measure in frame["measure"]}
    shown = [m for m in (measures or MEASURES) if m in have]
    if not shown:
        raise AnalysisError(
            "there is nothing to show over time yet: no metrics and no probe traces"
        )
    steps = [step for frame in chosen.values() for step in frame["step"]]
    places, axis = step_axis(steps, log)
    figure = make_subplots(
        rows=len(shown), cols=1, shared_xaxes=True, vertical_spacing=0.16 / len(shown) ** 1.3
    )
    named: set[str] = set()
    for number, (run, frame) in enumerate(chosen.items()):
        for row, measure in enumerate(shown, start=1):
            mine = frame[frame["measure"] == measure]
            for modality, lines in mine.groupby("modality", dropna=False):
                kind = modality if isinstance(modality, str) else ""
                name = ", ".join(
                    part
                    for part in (kind or "both modalities", escape(run) if len(chosen) > 1 else "")
                    if part
                )
                for trace in _lines(lines, places, name, kind, number, measure):
                    trace.showlegend = bool(trace.showlegend) and name not in named
                    figure.add_trace(trace, row=row, col=1)
                named.add(name)
    for row, measure in enumerate(shown, start=1):
        figure.update_yaxes(
            title={"text": f"{measure}<br>({MEASURES[measure]})", "font": {"size": 11}},
            rangemode="tozero",
            row=row,
            col=1,
        )
    figure.update_xaxes({key: value for key, value in axis.items() if key != "title"})
    figure.update_xaxes(title=axis["title"], row=len(shown), col=1)
    # From the window's edge, since the axes' titles leave a phone no room beside the buttons.
    figure.update_layout(hovermode="x")
    return finish(figure, height=90 + 125 * len(shown))


def _lines(
    frame: pd.DataFrame,
    places: Mapping[int, float],
    name: str,
    modality: str,
    run: int,
    measure: str,
) -> list[go.Scatter]:
    ordered = frame.sort_values("step")
    x = [places[int(step)] for step in ordered["step"]]
    colour = MODALITY_COLOURS.get(modality, "#8A63B8")
    found = []
    if ordered["low"].notna().all() and len(ordered):
        found.append(
            go.Scatter(
                x=[*x, *reversed(x)],
                y=[*ordered["high"], *reversed(ordered["low"].tolist())],
                mode="lines",
                fill="toself",
                fillcolor="rgba(138, 99, 184, 0.18)",
                line={"width": 0},
                hoverinfo="skip",
                showlegend=False,
                legendgroup=name,
            )
        )
    dense = len(ordered) > 30
    found.append(
        go.Scatter(
            x=x,
            y=ordered["value"],
            name=name,
            legendgroup=name,
            showlegend=True,
            mode="lines" if dense else "lines+markers",
            line={"color": colour, "dash": DASHES[run % len(DASHES)], "width": 2},
            marker={
                "size": 5,
                "symbol": _SYMBOLS.get(modality, "square"),
                "line": {"width": 0.5, "color": INK},
            },
            customdata=ordered["step"],
            hovertemplate=f"%{{fullData.name}}, {measure}: "
            "%{y:.4g}, step %{customdata}<extra></extra>",
        )
    )
    return found
