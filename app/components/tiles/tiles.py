"""Pictures in a grid, each with its caption and a line about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import streamlit as st
from jaxtyping import UInt8

from app.components import define
from app.components.contact_sheet import contact_sheet, hosted

_TILES = define("tiles", Path(__file__).parent, scripts=("tiles",))


@dataclass(frozen=True)
class Tile:
    """The words about one picture, all shown as plain text."""

    id: str
    caption: str
    detail: str = ""
    hint: str = ""
    """Shown on hovering."""
    marked: bool = False


def tiles(
    items: Sequence[Tile],
    pictures: UInt8[np.ndarray, "n size size 3"],
    *,
    label: str,
    key: str,
    action: str = "",
    on_pick: Callable[[str], None] | None = None,
    width: int = 84,
) -> None:
    """Draws the grid.

    Args:
      items: one for each picture, in their order.
      label: what the pictures are, for readers who do not see them.
      action: what a click does, for them too.
      on_pick: called with the id that was clicked, before the script runs again.
      width: least width of a tile in pixels.
    """

    def picked() -> None:
        chosen = st.session_state[key].get("pick")
        if on_pick is not None and any(item.id == chosen for item in items):
            on_pick(str(chosen))

    _TILES(
        key=key,
        data={
            "items": [asdict(item) for item in items],
            "sheet": asdict(hosted(contact_sheet(pictures), key)),
            "label": label,
            "action": action,
            "clickable": on_pick is not None,
            "width": width,
        },
        on_pick_change=picked,
    )
