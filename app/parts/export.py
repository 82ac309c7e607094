"""Export of figures: the data as a table and CSV, and the Python code that makes data and figure.

Pictures (SVG, PNG) leave in the browser: by Plotly's own buttons, or by those of a component.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from analysis.recipes import Recorded, python
from app.parts import tables
from app.parts.fragments import alone

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

_LONGEST_NAME = 80
#: Rows of a table on the page; the file has all.
_MOST_ROWS = 2000


def take_away(
    frame: Recorded[pd.DataFrame],
    *figures: Recorded[go.Figure],
    file: str,
    what: str = "",
    more: str = "",
) -> None:
    """A folded box with a figure's data, as a table and as CSV, and the Python that makes it.

    The table is also what the figure says to readers who do not see it.

    What is in it is drawn when it is opened: the browser's code highlighter alone takes a second
    to start.

    Args:
      frame: the data, recorded; their CSV is made when the reader asks for the file.
      figures: what is drawn of them, if anything.
      file: name of the CSV file, without extension.
      what: the thing that leaves, where it is no figure: "the words".
      more: a sentence under the code.
    """
    alone(lambda: _folded(frame, figures, file_name(file), what, more))


def _folded(
    frame: Recorded[pd.DataFrame],
    figures: Sequence[Recorded[go.Figure]],
    file: str,
    what: str,
    more: str,
) -> None:
    box = st.expander(
        f"Export {what}".rstrip(),
        icon=":material/download:",
        key=f"export.{file}.open",
        on_change="rerun",
    )
    if not box.open:
        return
    with box:
        table = frame.value
        tables.show(table.head(_MOST_ROWS), hide_index=True, height=240)
        if len(table) > _MOST_ROWS:
            st.caption(f"The first {_MOST_ROWS:,} of {len(table):,} rows; the file has all.")
        st.download_button(
            "Data as CSV",
            lambda: csv(frame),
            file_name=f"{file}.csv",
            mime="text/csv",
            key=f"export.{file}",
            on_click="ignore",
            icon=":material/table:",
        )
        # Wrapped: a keyboard does not reach what is scrolled within a page.
        st.code(code(frame, *figures), language="python", wrap_lines=True)
        if more:
            st.caption(more)


def document(make: Callable[[], str], *, label: str, file: str, help_text: str) -> None:
    """A button that makes an HTML document when it is pressed, and saves it.

    Args:
      file: name of the file, without extension.
    """
    st.download_button(
        label,
        lambda: make().encode(),
        file_name=f"{file_name(file)}.html",
        mime="text/html",
        key=f"document.{file}",
        on_click="ignore",
        icon=":material/description:",
        help=help_text,
    )


def csv(frame: Recorded[pd.DataFrame]) -> bytes:
    """The file with a figure's data."""
    return frame.value.to_csv(index=False).encode()


def code(frame: Recorded[pd.DataFrame], *figures: Recorded[go.Figure]) -> str:
    """Python that makes `frame`, and `figure`, `figure_2` and so on of as many as there are."""
    names = ["figure", *(f"figure_{number}" for number in range(2, len(figures) + 1))]
    return python(frame=frame, **dict(zip(names, figures, strict=False)))


def plotly_config(file: str) -> dict[str, Any]:
    """Settings for `st.plotly_chart(..., config=...)`: the camera saves an SVG under this name."""
    return {
        "displaylogo": False,
        # Touch screens always show the buttons, over the figure: so few of them. A drag zooms.
        "modeBarButtonsToRemove": ["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "autoScale2d"],
        "toImageButtonOptions": {"format": "svg", "filename": file_name(file)},
    }


def file_name(text: str) -> str:
    """A name that every file system takes, another one for every text.

    Where something of the text had to go, the name ends in a digest of all of it.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "figure"
    if name == text and len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{name[: _LONGEST_NAME - 9]}-{digest}"
