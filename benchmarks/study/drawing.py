"""Dots and intervals as an SVG that a page shows on light and on dark ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

_WIDTH, _LEFT, _RIGHT, _ROW, _TOP, _BOTTOM = 820, 330, 30, 26, 34, 40
_STYLE = """
  text { font: 13px sans-serif; fill: #24292f; }
  .grid { stroke: #d0d7de; } .axis { stroke: #57606a; }
  .dot { fill: #0969da; fill-opacity: 0.45; } .mean { stroke: #0969da; stroke-width: 3; }
  .band { fill: #0969da; fill-opacity: 0.12; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .grid { stroke: #373e47; } .axis { stroke: #8b949e; }
    .dot { fill: #58a6ff; } .mean { stroke: #58a6ff; } .band { fill: #58a6ff; }
  }
"""


@dataclass(frozen=True)
class Row:
    """One line of a figure."""

    label: str
    dots: Sequence[float]
    """One for each seed."""
    low: float
    """End of the interval of their mean; NaN for none."""
    high: float


def figure(
    rows: Sequence[Row], *, title: str, axis: str, band: tuple[float, float] | None = None
) -> str:
    """An SVG: a row each with its dots, its mean and the interval of that.

    Args:
      band: a range to shade, such as a margin around 0.
    """
    ends = [x for row in rows for x in (*row.dots, row.low, row.high) if not np.isnan(x)]
    ends += list(band or ())
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    room = 0.05 * max(high - low, 1e-9)
    low, high = low - room, high + room
    bottom = _TOP + _ROW * len(rows)

    def at(x: float) -> str:
        return f"{_LEFT + (x - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT):.1f}"

    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {bottom + _BOTTOM}" '
        f'role="img" aria-label="{escape(title)}">',
        f"<style>{_STYLE}</style>",
        f'<text x="8" y="20" font-weight="bold">{escape(title)}</text>',
    ]
    if band is not None:
        width = float(at(band[1])) - float(at(band[0]))
        drawn.append(
            f'<rect class="band" x="{at(band[0])}" y="{_TOP}" width="{width:.1f}" '
            f'height="{bottom - _TOP}"/>'
        )
    for tick in _ticks(low, high):
        drawn.append(
            f'<line class="grid" x1="{at(tick)}" x2="{at(tick)}" y1="{_TOP}" y2="{bottom}"/>'
            f'<text x="{at(tick)}" y="{bottom + 16}" text-anchor="middle">{tick:g}</text>'
        )
    for place, row in enumerate(rows):
        y = _TOP + _ROW * (place + 0.5)
        drawn.append(
            f'<text x="{_LEFT - 12}" y="{y + 4:g}" text-anchor="end">{escape(row.label)}</text>'
        )
        if not np.isnan(row.low):
            drawn.append(
                f'<line class="axis" x1="{at(row.low)}" x2="{at(row.high)}" y1="{y:g}" y2="{y:g}"/>'
            )
        drawn += [f'<circle class="dot" cx="{at(x)}" cy="{y:g}" r="4"/>' for x in row.dots]
        if row.dots:
            mean = at(float(np.mean(row.dots)))
            drawn.append(
                f'<line class="mean" x1="{mean}" x2="{mean}" y1="{y - 7:g}" y2="{y + 7:g}"/>'
            )
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    drawn.append(
        f'<text x="{middle:g}" y="{bottom + 34}" text-anchor="middle">{escape(axis)}</text>'
    )
    return "\n".join([*drawn, "</svg>", ""])


def _ticks(low: float, high: float) -> list[float]:
    """A few round numbers between two."""
    step = 10 ** np.floor(np.log10((high - low) / 3))
    for factor in (1, 2, 5):
        if (high - low) / (factor * step) <= 8:
            step *= factor
            break
    first = np.ceil(low / step)
    return [float(f"{step * k:.6g}") for k in np.arange(first, high / step)]
