"""Numbers and tables in Markdown."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

#: Width of a line of prose.
_WIDTH = 110


def estimate(row: Mapping[Hashable, Any] | None) -> str:
    """An accuracy in percent with the ends of its interval, "45.5 % (38–53)"; "–" for none."""
    if row is None:
        return "–"
    return f"{100 * row['value']:.1f} % ({100 * row['low']:.0f}–{100 * row['high']:.0f})"


def points(value: float, low: float, high: float) -> str:
    """A difference in points, "+1.9 (-3.9 to +7.8)", in bold where the interval excludes 0."""
    text = f"{100 * value:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
    return f"**{text}**" if low > 0 or high < 0 else text


def share(value: float) -> str:
    """A share as a percentage of two digits; small ones keep both."""
    return f"{100 * value:.2g} %" if value < 0.995 else "100 %"


def p_value(value: float) -> str:
    """A p-value of two digits."""
    return f"{value:.2g}" if value >= 0.001 else "< 0.001"


def nmi(value: float) -> str:
    """A normalised mutual information; "–" for none."""
    return "–" if math.isnan(value) else f"{value:.2f}"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    head, *body = (f"| {' | '.join(cells)} |" for cells in (columns, *rows))
    return "\n".join([head, "|---" * len(columns) + "|", *body])


def prose(*sentences: str) -> str:
    """A paragraph, broken into lines."""
    return textwrap.fill(" ".join(sentences), _WIDTH, break_long_words=False)


def bullets(points: Iterable[str]) -> str:
    """A list."""
    return "\n".join(
        textwrap.fill(
            f"- {point}",
            _WIDTH,
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for point in points
    )


def counted(count: int, one: str, many: str = "") -> str:
    """A number with what is counted: "1 layer", "3 layers"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
