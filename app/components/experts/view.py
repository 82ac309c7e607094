"""The expert cards as a Streamlit component."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from app.components import define

_VIEW = define("experts", Path(__file__).parent, scripts=("main",))


def expert_cards(data: Mapping[str, Any], *, key: str, on_choose: Callable[[int], None]) -> None:
    """Draws the cards.

    Args:
      data: what `payload` made.
      on_choose: called with an expert's number, before the script runs, when the reader picks one.
    """

    def chosen() -> None:
        expert = st.session_state[key].get("expert")
        if isinstance(expert, int):
            on_choose(expert)

    _VIEW(key=key, data=dict(data), on_expert_change=chosen)
