"""House style of all figures; their clear background fits light and dark pages."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
import plotly.io as pio

from analysis.characters import seen
from analysis.colours import expert_label

#: Grey that reads on white (4.7 to 1) and shows on near-black; a page may bring its own for words.
INK = "#737373"
GRID = "rgba(128, 128, 128, 0.25)"
CLEAR = "rgba(0, 0, 0, 0)"

#: From nearly clear to one blue, so that it darkens on a light page and brightens on a dark one,
#: evenly for every kind of colour vision.
INTENSITY = [[0.0, "rgba(36, 107, 190, 0.04)"], [1.0, "rgba(36, 107, 190, 1.0)"]]
#: Above these strengths, white text has the better WCAG contrast on a light page.
INTENSITY_DARK, DIVERGING_DARK = 0.84, 0.9

#: Orange below and blue above a nearly clear middle.
DIVERGING = [
    [0.0, "rgba(180, 92, 10, 1.0)"],
    [0.5, "rgba(128, 128, 128, 0.08)"],
    [1.0, "rgba(29, 90, 170, 1.0)"],
]

#: For a figure of titled rows: the legend lies at its top edge, above the first row's title.
ROWS_MARGIN = {"t": 70, "b": 50}

#: Dashes for a second, third, … run in one figure.
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")

pio.templates["limoe"] = go.layout.Template(
    layout={
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR,
        "font": {"color": INK, "size": 13},
        "margin": {"l": 60, "r": 20, "t": 40, "b": 50},
        # At the figure's own edge, for which Plotly makes room. Beside the axes, its place is not
        # found anew where the figure becomes wider, and it covers them.
        "legend": {
            "orientation": "h",
            "xref": "container",
            "x": 0,  # on a phone, buttons take the other side
            "yref": "container",
            "y": 1,
            "yanchor": "top",
            "title": {"text": ""},
        },
        "hoverlabel": {"align": "left"},
        "xaxis": {"gridcolor": GRID, "zerolinecolor": GRID, "automargin": True},
        "yaxis": {"gridcolor": GRID, "zerolinecolor": GRID, "automargin": True},
        "coloraxis": {"colorbar": {"outlinewidth": 0, "thickness": 12}},
    }
)


def finish(figure: go.Figure, *, height: int = 360, title: str | None = None) -> go.Figure:
    """The figure in the house style."""
    figure.update_layout(template="limoe", height=height)
    if title:
        figure.update_layout(title={"text": title, "font": {"size": 15}}, margin={"t": 70})
    return figure


def block_label(layer: int) -> str:
    """Name of the MoE layer of a block; the number counts all blocks, not MoE layers."""
    return f"block {layer}"


#: Font of cell labels; without a size Plotly shrinks them for each letter of a tag.
CELL_FONT = {"size": 10}


def cell_label(text: str, dark: bool) -> str:
    """Label of a heat map's cell in `INTENSITY` or `DIVERGING`.

    Plotly picks its colour as if the cell were opaque or absent. So labels of cells that are dark
    on any page are set to white; the others take the page's colour.

    Args:
      dark: whether the cell's strength is above `INTENSITY_DARK` or `DIVERGING_DARK`.
    """
    return f'<span style="color: #FFFFFF">{text}</span>' if text and dark else text


def error_bars(frame: pd.DataFrame, value: str, low: str, high: str) -> dict:
    """Plotly's error bars from the ends of an interval around a value, in columns of a frame."""
    return {
        "type": "data",
        "symmetric": False,
        "array": (frame[high] - frame[value]).clip(lower=0),
        "arrayminus": (frame[value] - frame[low]).clip(lower=0),
        "color": INK,
        "thickness": 1.2,
        "width": 3,
    }


def rows_layout(rows: int, row: int, between: int) -> tuple[int, float]:
    """Height of a figure of several rows, and Plotly's `vertical_spacing` between them.

    Args:
      rows: at least one.
      row: pixels of a row's axes.
      between: pixels between two rows, for the labels of one and the title of the next.
    """
    inner = rows * row + (rows - 1) * between
    return inner + ROWS_MARGIN["t"] + ROWS_MARGIN["b"], between / inner


def labels(experts: Sequence[int]) -> list[str]:
    """Tick labels of experts."""
    return [expert_label(int(expert)) for expert in experts]


def escape(text: object) -> str:
    """Text with HTML escaped, since Plotly reads some tags in labels."""
    return seen(str(text)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def step_axis(steps: Sequence[int], log: bool) -> tuple[dict[int, float], dict]:
    """Places of steps on a time axis, and the axis's settings.

    On a log axis step 0, which has no logarithm, is drawn at half of the first other step; its tick
    still says 0.
    """
    ordered = sorted({int(step) for step in steps})
    if not log:
        return {step: step for step in ordered}, {"title": {"text": "step"}}
    positive = [step for step in ordered if step > 0]
    zero = (positive[0] if positive else 1) / 2
    places = {step: float(step) if step > 0 else zero for step in ordered}
    ticks = [places[0]] if 0 in places else []
    names = ["0"] if 0 in places else []
    power = 1
    while positive and power <= positive[-1] * 1.01:
        for factor in (1, 3):
            if positive[0] * 0.99 <= power * factor <= positive[-1] * 1.01:
                ticks.append(power * factor)
                names.append(f"{power * factor:,}")
        power *= 10
    axis = {
        "title": {"text": "step (log scale)"},
        "type": "log",
        "tickvals": ticks,
        "ticktext": names,
    }
    return places, axis
