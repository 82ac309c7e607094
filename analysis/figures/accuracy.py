"""Figures of zero-shot accuracy, retrieval and confusions."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from analysis.errors import AnalysisError
from analysis.figures.style import (
    CELL_FONT,
    CLEAR,
    INK,
    INTENSITY,
    INTENSITY_DARK,
    cell_label,
    error_bars,
    escape,
    finish,
)

#: Colours and marks of the runs in one figure, in order: the run itself, its dense twin, others.
_LOOKS = (("#6C5CE7", "circle"), ("#E1B400", "diamond-open"), ("#5A9600", "square"))


def accuracy_figure(
    frames: Mapping[str, pd.DataFrame], task: str, group: str = "language", *, k: int = 1
) -> go.Figure:
    """Top-k accuracy by language, category or style, with 95 % intervals.

    One mark per run.

    Args:
      frames: `analysis.accuracy_frame` of each run at one step, by the run's name; the order of the
        rows follows the first.
      task: such as "zero_shot_test_style".
      group: of `analysis.accuracy_frame`: "language", "category", "style", …
    """
    figure = go.Figure()
    order: list[str] | None = None
    chance = 0.0
    for place, (run, frame) in enumerate(frames.items()):
        rows = frame[(frame["task"] == task) & (frame["group"] == group) & (frame["k"] == k)]
        if rows.empty:
            continue
        if order is None:
            order = rows.sort_values("value", ascending=False)["name"].tolist()
            chance = float(rows["chance"].iloc[0])
        colour, symbol = _LOOKS[place % len(_LOOKS)]
        figure.add_scatter(
            x=rows["value"],
            y=[escape(name) for name in rows["name"]],
            name=escape(run),
            mode="markers",
            orientation="h",
            offsetgroup=str(place),
            marker={"color": colour, "symbol": symbol, "size": 10},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": rows["high"] - rows["value"],
                "arrayminus": rows["value"] - rows["low"],
                "color": colour,
                "thickness": 1.5,
                "width": 3,
            },
            customdata=rows[["low", "high", "n", "ways"]],
            hovertemplate=(
                "%{y}, %{fullData.name}: %{x:.1%} (%{customdata[0]:.1%} to %{customdata[1]:.1%})"
                "<br>%{customdata[2]} pictures, %{customdata[3]} classes<extra></extra>"
            ),
        )
        ceilings = rows.dropna(subset="ceiling")
        if k == 1 and place == 0 and len(ceilings):
            figure.add_scatter(
                x=ceilings["ceiling"],
                y=[escape(name) for name in ceilings["name"]],
                name="ceiling",
                mode="markers",
                orientation="h",
                offsetgroup=str(place),
                cliponaxis=False,
                marker={"symbol": "line-ns-open", "size": 12, "color": INK},
                hovertemplate="%{y}: ceiling %{x:.1%}<extra></extra>",
            )
    if order is None:
        raise AnalysisError(f"none of the runs has stored {task} by {group}; evaluate one first")
    figure.add_vline(
        x=chance,
        line={"color": INK, "dash": "dot", "width": 1},
        annotation={"text": "chance", "font": {"size": 11}},
    )
    figure.update_yaxes(
        categoryorder="array",
        categoryarray=[escape(n) for n in order],
        range=[len(order) - 0.4, -1.0],  # best first, below the word "chance"
    )
    figure.update_xaxes(tickformat=".0%", range=[0, 1], title={"text": f"top-{k} accuracy"})
    # Runs side by side, or one's interval hides the other's; on the right, room for "100%".
    figure.update_layout(scattermode="group", scattergap=0.5)
    return finish(figure, height=145 + 28 * len(order)).update_layout(margin={"r": 22})


def tasks_figure(frames: Mapping[str, pd.DataFrame], *, k: int = 1) -> go.Figure:
    """Top-k accuracy of every task and run: in the first language, and the mean over languages.

    A row for each task, in the frames' order. Of a task that was asked in one language alone, the
    mean would be the same bar again, and is left out.

    Args:
      frames: `analysis.accuracy_frame` of each run at one step, by the run's name.
    """
    figure = go.Figure()
    labels: list[str] = []
    bars = 0
    for place, (run, frame) in enumerate(frames.items()):
        colour, _ = _LOOKS[place % len(_LOOKS)]
        languages = frame[frame["group"] == "language"].groupby("task")["name"].nunique()
        several = frame["task"].map(languages).fillna(0) > 1
        for group, shape in (("headline", ""), ("mean over languages", "/")):
            rows = frame[(frame["group"] == group) & (frame["k"] == k)]
            if shape:
                rows = rows[several.reindex(rows.index)]
            if rows.empty:
                continue
            bars += 1
            names = [_task_label(t, w) for t, w in zip(rows["task"], rows["ways"], strict=True)]
            labels += [name for name in names if name not in labels]
            figure.add_bar(
                x=rows["value"],
                y=names,
                orientation="h",
                name=f"{escape(run)}, {group}",
                marker={
                    "color": colour,
                    "opacity": 0.7,
                    "pattern": {"shape": shape, "fgcolor": "#FFFFFF", "fillmode": "overlay"},
                },
                error_x=error_bars(rows, "value", "low", "high"),
                customdata=rows[["low", "high", "n", "ways", "chance"]],
                hovertemplate=(
                    "%{fullData.name}: %{x:.1%} (%{customdata[0]:.1%} to %{customdata[1]:.1%})"
                    "<br>%{customdata[2]} pictures, %{customdata[3]} classes, "
                    "chance %{customdata[4]:.2%}<extra></extra>"
                ),
            )
    figure.update_layout(barmode="group", bargap=0.25)
    figure.update_xaxes(tickformat=".0%", rangemode="tozero", title={"text": f"top-{k} accuracy"})
    figure.update_yaxes(
        categoryorder="array",
        categoryarray=labels,
        autorange="reversed",
        tickfont={"size": 11},
    )
    return finish(figure, height=110 + 20 * bars + max(34, 14 * bars) * len(labels))


def _task_label(task: str, ways: int) -> str:
    name = task.removeprefix("zero_shot_").removesuffix("_all").removesuffix("_split")
    return f"{escape(name.replace('_', ' '))}<br>{ways:,} names"


def confusion_figure(frame: pd.DataFrame) -> go.Figure:
    """Heat map of the picture's category against the answer's category.

    Args:
      frame: `analysis.category_confusions`.
    """
    table = frame.pivot(index="category", columns="answer_category", values="share").fillna(0.0)
    counts = frame.pivot(index="category", columns="answer_category", values="count").fillna(0)
    columns = [name for name in table.index if name in table.columns]
    columns += [name for name in table.columns if name not in columns]
    table, counts = table[columns], counts[columns]
    figure = go.Figure(
        go.Heatmap(
            z=table.to_numpy(),
            x=[escape(name) for name in columns],
            y=[escape(name) for name in table.index],
            text=[
                [
                    cell_label(f"{value:.0%}" if value else "", value > INTENSITY_DARK)
                    for value in row
                ]
                for row in table.to_numpy()
            ],
            texttemplate="%{text}",
            textfont=CELL_FONT,
            customdata=counts.to_numpy(),
            colorscale=INTENSITY,
            zmin=0,
            zmax=1,
            showscale=False,
            hovertemplate="%{y} → %{x}: %{z:.1%}, %{customdata} pictures<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", gridcolor=CLEAR, title={"text": "picture"})
    figure.update_xaxes(gridcolor=CLEAR, title={"text": "answer"})
    return finish(figure, height=160 + 32 * len(table))
