"""How every figure leaves the page: the data behind it as CSV, and the Python that makes it.

Pictures (SVG, PNG) leave in the browser: by Plotly's own buttons, or by those of a component.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import streamlit as st

if TYPE_CHECKING:
    import pandas as pd

_LONGEST_NAME = 80


def take_away(
    frame: Callable[[], pd.DataFrame],
    recipe: str,
    *,
    file: str,
    what: str = "this figure",
    more: str = "",
) -> None:
    """A folded box with the CSV of a figure's data and the lines of Python that make it.

    What is in it is drawn when it is opened: the browser's code highlighter alone takes a second
    to start.

    Args:
      frame: makes the data; called only when the reader asks for the file.
      recipe: Python that can be run from the project's folder.
      file: name of the CSV file, without extension.
      more: a sentence under the code.
    """
    _folded(frame, recipe, file_name(file), what, more)


@st.fragment
def _folded(
    frame: Callable[[], pd.DataFrame], recipe: str, file: str, what: str, more: str
) -> None:
    box = st.expander(
        f"Take {what} away: data and code",
        icon=":material/download:",
        key=f"export.{file}.open",
        on_change="rerun",
    )
    if not box.open:
        return
    with box:
        st.download_button(
            "Data as CSV",
            lambda: frame().to_csv(index=False).encode(),
            file_name=f"{file}.csv",
            mime="text/csv",
            key=f"export.{file}",
            on_click="ignore",
            icon=":material/table:",
        )
        st.code(recipe, language="python")
        if more:
            st.caption(more)


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
