"""Parts of a page that are drawn again alone, at what the reader does in them or by a clock."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st


def alone(draw: Callable[[], None], *, every: float | None = None) -> None:
    """Draws a part of the page, which is then drawn again alone.

    It stands in a container of its own. Where such a part is drawn again right after the page,
    Streamlit takes back what of it is still on the way to the browser. Whatever follows it in its
    container would come there with a gap before it and be refused ("Bad delta path index"), with
    all that came along. For the same reason a part with a clock holds no other such part.

    Args:
      every: seconds after which it is drawn again by itself; never unless given.
    """
    with st.container():
        st.fragment(draw, run_every=every)()
