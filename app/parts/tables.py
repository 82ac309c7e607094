"""Tables on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

if TYPE_CHECKING:
    import pandas as pd


def show(frame: pd.DataFrame, **options: Any) -> None:
    """Draws a table, in which what is not there is an empty cell, and not Python's "None".

    Args:
      options: go to `st.dataframe`.
    """
    st.dataframe(frame, placeholder="", **options)
