"""A figure on the page, with all the ways it can leave: SVG or PNG, data as CSV, Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import streamlit as st

from app.parts.export import file_name, plotly_config, take_away

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

#: What the camera above a figure can save.
_FORMATS = ("svg", "png")


def choose_format() -> None:
    """Lets the reader say what the camera above every figure saves. Call it once a script run."""
    with st.sidebar:
        st.radio(
            "The camera above a figure saves",
            _FORMATS,
            key="figures.format",
            format_func=str.upper,
            horizontal=True,
            persist_state="session",
            help="Point at a figure, or tap it, and its buttons appear: the camera saves it, two "
            "arrows make it as large as the page. Data (CSV) and the Python lines are below it.",
        )


def show(
    figure: go.Figure,
    frame: Callable[[], pd.DataFrame] | pd.DataFrame,
    recipe: str,
    *,
    file: str,
    what: str = "this figure",
    note: str = "",
) -> None:
    """Draws a figure of `analysis`, and below it what makes it again.

    Args:
      frame: the data behind it, or a function that makes it.
      recipe: Python that makes data and figure, from the project's folder.
      file: name of saved files, without extension; names the figure on its page too.
      note: a line under the figure: what it shows, its units, n, split and step.
    """
    _colour_cells(figure)
    st.plotly_chart(figure, key=f"figure.{file_name(file)}", config=config(file))
    if note:
        st.caption(note)
    take_away(frame if callable(frame) else lambda: frame, recipe, file=file, what=what)


def _colour_cells(figure: go.Figure) -> None:
    """Words in the cells of heat maps in the page's colour: Plotly takes every page for white.

    A rule of `app.shell.styles` does so in the page; this is for what the camera saves.
    """
    theme = "dark" if st.context.theme.type == "dark" else "light"
    colour = st.get_option(f"theme.{theme}.textColor")
    if colour:
        figure.update_traces(textfont={"color": colour}, selector={"type": "heatmap"})


def config(file: str) -> dict[str, Any]:
    """Settings for `st.plotly_chart`: the camera saves what the reader chose, under this name."""
    settings = plotly_config(file)
    settings["toImageButtonOptions"]["format"] = st.session_state.get("figures.format", "svg")
    settings["toImageButtonOptions"]["scale"] = 2
    return settings
