"""A section of a report: words, figures, tables, and the lines of Python that make them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analysis.errors import AnalysisError
from analysis.recipes import Recorded
from limoe_core.config import ConfigError
from limoe_core.runs import RunError

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


@dataclass(frozen=True, eq=False)
class Figure:
    """A figure with the frame that it is drawn from."""

    figure: Recorded[go.Figure]
    frame: Recorded[pd.DataFrame]
    caption: str
    """What it shows, its units, n, split and step; its text alternative as well."""


@dataclass(frozen=True, eq=False)
class Table:
    """A frame shown as a table."""

    frame: Recorded[pd.DataFrame]
    caption: str
    columns: Sequence[str]
    """Columns shown, in order; all others are in what the lines of Python make."""


@dataclass(frozen=True, eq=False)
class Section:
    """A titled part of the report."""

    title: str
    words: Sequence[str] = ()
    """Paragraphs before figures and tables."""
    parts: Sequence[Figure | Table] = field(default_factory=tuple)


def safely(title: str, make: Callable[[], Iterator[Section]]) -> list[Section]:
    """The sections that `make` yields; a sentence in place of those that a damaged run keeps back.

    What is recorded is computed here, so that nothing fails later.
    """
    found: list[Section] = []
    try:
        for section in make():
            for part in section.parts:
                _ = part.frame.value
                if isinstance(part, Figure):
                    _ = part.figure.value
            found.append(section)
    except (RunError, AnalysisError, ConfigError) as error:
        found.append(Section(title, [f"This cannot be shown: {error}"]))
    except OSError as error:
        why = error.strerror or type(error).__name__
        found.append(Section(title, [f"This cannot be shown: a file could not be read, {why}."]))
    return found
