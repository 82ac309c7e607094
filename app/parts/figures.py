"""Figures on the page, with their exports: SVG or PNG, data as CSV, Python."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import streamlit as st

from analysis.recipes import Recorded
from app.parts.export import file_name, plotly_config, take_away

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

#: Formats that the camera above a figure can save.
_FORMATS = ("svg", "png")


def choose_format() -> None:
    """Draws the choice of the format that figures are saved in. Call it once per script run."""
    with st.sidebar:
        st.radio(
            "Figure format",
            _FORMATS,
            key="figures.format",
            format_func=str.upper,
            horizontal=True,
            persist_state="session",
            help="Hover over a figure, or tap it, and its buttons appear: the camera saves it, two "
            "arrows make it as large as the page. Under Export below it are its numbers as a table "
            "and as CSV, and the Python lines.",
        )


def show(
    figure: Recorded[go.Figure],
    frame: Recorded[pd.DataFrame],
    *,
    file: str,
    note: str = "",
) -> None:
    """Draws a figure of `analysis`, and below it what makes it again.

    Args:
      frame: the data behind it.
      file: name of saved files, without extension; names the figure on its page too.
      note: a line under the figure: what it shows, its units, n, split and step.
    """
    frame.value  # noqa: B018 a job's bar and button belong to the page, not to the cache of figures
    draw(figure, key=file_name(file), file=file)
    if note:
        st.caption(note)
    take_away(frame, figure, file=file)


def draw(figure: Recorded[go.Figure], *, key: str, file: str) -> None:
    """Draws a figure alone, where it leaves together with others.

    Args:
      key: tells it from other figures on the page.
      file: name of saved files, without extension.
    """
    theme = "dark" if st.context.theme.type == "dark" else "light"
    colour = st.get_option(f"theme.{theme}.textColor")
    shown = _in_page_colours(figure.key, colour, figure)
    st.plotly_chart(shown, key=f"figure.{key}", config=config(file))


@st.cache_resource(max_entries=96, show_spinner=False)
def _in_page_colours(
    key: tuple[Hashable, ...], colour: str | None, _figure: Recorded[go.Figure]
) -> go.Figure:
    """The figure with its words in the page's colour: one grey cannot be legible on any page.

    A rule of `app.shell.styles` does so in the page; this is for what the camera saves. Kept, since
    Plotly takes longer to make a figure than all else on a page does together.
    """
    import plotly.graph_objects as go

    class Drawn(go.Figure):
        """A figure that no longer changes, whose numbers are written once and not at each rerun."""

        def to_dict(self) -> dict[str, Any]:
            return written

    figure = go.Figure(_figure.value)
    if colour:
        figure.update_layout(font={"color": colour})
    if colour and any(trace.type == "heatmap" for trace in figure.data):
        figure.update_traces(textfont={"color": colour}, selector={"type": "heatmap"})
    written = figure.to_dict()
    return Drawn()


def config(file: str) -> dict[str, Any]:
    """Settings for `st.plotly_chart`: the camera saves what the reader chose, under this name."""
    settings = plotly_config(file)
    settings["toImageButtonOptions"]["format"] = st.session_state.get("figures.format", "svg")
    settings["toImageButtonOptions"]["scale"] = 2
    return settings
