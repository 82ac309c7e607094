"""Training curves: every logged scalar of one run or several on one axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.colours import MODALITY_COLOURS
from analysis.errors import AnalysisError
from analysis.figures.style import DASHES, INTENSITY, escape, finish
from analysis.smoothing import smoothed, thinned
from analysis.training import MEASURES, measure

#: Colours of a first, second, … run, where modality has none; runs differ by their dashes as well.
RUN_COLOURS = ("#8A63B8", "#00898F", "#C4601D", "#5B7F23", "#B0488A")

#: Columns of `analysis.training_frame` that may be the axis of time.
_TITLES = {
    "step": "step",
    "pictures": "pictures shown",
    "hours": "hours in training steps",
}


def training_figure(
    runs: Mapping[str, pd.DataFrame],
    measures: Sequence[str] | None = None,
    *,
    x: str = "step",
    layer: int | None = None,
    half_life: float = 0,
    log_x: bool = False,
    log_y: bool = False,
    buckets: int = 600,
) -> go.Figure:
    """Logged scalars over training, one row each.

    Args:
      runs: `analysis.training_frame` of each run by its name; they differ by colour and dashes.
      measures: names in the log, such as "contrastive"; all by default.
      x: "step", "pictures" (shown so far) or "hours" (in training steps).
      layer: block number of the routers that are shown.
      half_life: steps after which a value counts half in the exponential moving average that is
        drawn over the values themselves; 0 draws them alone.
      log_x, log_y: logarithmic axes, on which what is not above 0 has no place.
      buckets: the axis is cut into so many parts, and of each the first, smallest, largest and last
        value are drawn.

    Raises:
      AnalysisError: there is nothing to show, or `x` is something else.
    """
    if x not in _TITLES:
        raise AnalysisError(f"x is one of {', '.join(_TITLES)}, not {x!r}")
    chosen = {
        name: frame[frame["layer"].isna() | (frame["layer"] == layer)]
        for name, frame in runs.items()
    }
    have = {name for frame in chosen.values() for name in frame["measure"].unique()}
    known = [name for name in MEASURES if name in have]
    shown = [m for m in measures or [*known, *sorted(have - {*known})] if m in have]
    if not shown:
        raise AnalysisError("there is nothing to show yet: nothing of this is logged")
    figure = make_subplots(
        rows=len(shown), cols=1, shared_xaxes=True, vertical_spacing=0.16 / len(shown) ** 1.3
    )
    named: set[str] = set()
    for number, (run, frame) in enumerate(chosen.items()):
        for row, name in enumerate(shown, start=1):
            mine = frame[frame["measure"] == name]
            for modality, series in mine.groupby("modality", dropna=False):
                of = modality if isinstance(modality, str) else ""
                label = ", ".join(part for part in (escape(run), of) if part)
                colour = MODALITY_COLOURS.get(of, RUN_COLOURS[number % len(RUN_COLOURS)])
                for line in _lines(series, x, log_x, half_life, buckets, name):
                    line.update(
                        name=label,
                        legendgroup=label,
                        showlegend=bool(line.opacity is None) and label not in named,
                        line={"color": colour, "dash": DASHES[number % len(DASHES)]},
                    )
                    if line.showlegend:
                        named.add(label)
                    figure.add_trace(line, row=row, col=1)
    for row, name in enumerate(shown, start=1):
        about = measure(name)
        unit = f"<br>({about.unit})" if about.unit else ""
        figure.update_yaxes(
            title={"text": f"{escape(about.title)}{unit}", "font": {"size": 11}},
            type="log" if log_y else "linear",
            row=row,
            col=1,
        )
    figure.update_xaxes(type="log" if log_x else "linear")
    title = _TITLES[x] + (" (log scale)" if log_x else "")
    figure.update_xaxes(title={"text": title}, row=len(shown), col=1)
    figure.update_layout(hovermode="x")
    return finish(figure, height=90 + 150 * len(shown))


def _lines(
    series: pd.DataFrame, x: str, log: bool, half_life: float, buckets: int, name: str
) -> list[go.Scatter]:
    """The values, and over them their average where one is asked for."""
    ordered = series.sort_values("step")
    place = ordered[x].to_numpy(float)
    drawn = np.isfinite(place) & ((place > 0) | (not log))
    place, steps = place[drawn], ordered["step"].to_numpy()[drawn]
    values = ordered["value"].to_numpy(float)[drawn]
    if not len(place):
        return []
    curves = [(values, not half_life)]
    if half_life:
        curves.append((smoothed(steps, values, half_life), True))
    unit = measure(name).unit
    found = []
    for curve, strong in curves:
        kept = thinned(np.log(place) if log else place, curve, buckets)
        found.append(
            go.Scatter(
                x=place[kept],
                y=curve[kept],
                customdata=steps[kept],
                mode="lines" if len(kept) > 30 else "lines+markers",
                marker={"size": 5},
                line={"width": 2 if strong else 1},
                opacity=None if strong else 0.35,
                hovertemplate=f"%{{fullData.name}}: %{{y:.4g}} {escape(unit)}, step %{{customdata}}"
                "<extra></extra>"
                if strong
                else None,
                hoverinfo=None if strong else "skip",
            )
        )
    return found


def loads_figure(
    routers: pd.DataFrame, layer: int, modality: str, *, columns: int = 240
) -> go.Figure:
    """Share of a modality's tokens that each expert takes in training, step by step.

    Args:
      routers: `analysis.training_routers`.
      layer: block number.
      modality: "image" or "text".
      columns: logged steps are joined to at most so many columns, each the mean of its steps.

    Raises:
      AnalysisError: nothing is logged of this layer and modality.
    """
    mine = routers[(routers["layer"] == layer) & (routers["modality"] == modality)]
    if mine.empty:
        raise AnalysisError(f"nothing is logged of the {modality} tokens of block {layer} yet")
    table = mine.pivot(index="step", columns="expert", values="share")
    part = np.arange(len(table)) * min(columns, len(table)) // len(table)
    steps = table.index.to_numpy()
    joined = table.groupby(part).mean()
    first = pd.Series(steps).groupby(part).first().to_numpy()
    last = pd.Series(steps).groupby(part).last().to_numpy()
    experts = [f"E{int(expert)}" for expert in table.columns]
    when = [
        f"step {a:,}" if a == b else f"steps {a:,} to {b:,}"
        for a, b in zip(first, last, strict=True)
    ]
    figure = go.Figure(
        go.Heatmap(
            x=last,
            y=experts,
            z=joined.to_numpy().T,
            customdata=np.tile(np.array(when), (len(experts), 1)),
            coloraxis="coloraxis",
            hovertemplate=f"%{{y}}: %{{z:.1%}} of {modality} tokens, %{{customdata}}"
            "<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", title="expert")
    figure.update_xaxes(title="step")
    figure.update_layout(
        coloraxis={
            "colorscale": INTENSITY,
            "cmin": 0,
            "colorbar": {
                "title": {"text": "share"},
                "tickformat": ".0%",
                "nticks": max(3, min(6, len(experts) // 2 + 1)),  # as many as there is room for
            },
        }
    )
    return finish(figure, height=min(900, 130 + 22 * len(experts)))
