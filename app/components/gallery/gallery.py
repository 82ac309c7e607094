"""A strip of pictures to pick from, filtered in the browser."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import streamlit as st
from jaxtyping import UInt8
from PIL import Image

from app.components import define

_GALLERY = define("gallery", Path(__file__).parent, scripts=("gallery",))

_COLUMNS = 16  # pictures in a row of the contact sheet


@dataclass(frozen=True)
class Item:
    """A picture of the gallery, and what is said of it. All of it is shown as text."""

    id: str
    caption: str
    detail: str = ""
    """More, on hovering."""
    tags: dict[str, str] = field(default_factory=dict)
    """Values to filter by, by the name of the filter."""


@dataclass(frozen=True)
class Sheet:
    """Many pictures of one size in one file, in rows of `columns`."""

    src: str
    columns: int
    rows: int


def contact_sheet(pictures: UInt8[np.ndarray, "n size size 3"], side: int = 64) -> Sheet:
    """Puts the pictures on one sheet, each `side` pixels wide, as a data address."""
    columns = min(_COLUMNS, max(1, len(pictures)))
    rows = max(1, -(-len(pictures) // columns))
    sheet = Image.new("RGB", (columns * side, rows * side), "white")
    for place, picture in enumerate(pictures):
        small = Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR)
        sheet.paste(small, (place % columns * side, place // columns * side))
    buffer = io.BytesIO()
    sheet.save(buffer, "WEBP", quality=82, method=2)
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return Sheet(f"data:image/webp;base64,{encoded}", columns, rows)


def gallery(
    items: Sequence[Item],
    sheet: Sheet | None,
    *,
    label: str,
    selected: str | None,
    filters: Mapping[str, str],
    on_pick: Callable[[str], None],
    key: str,
    noun: str = "pairs",
) -> None:
    """Draws the strip.

    Args:
      items: in the order of the sheet's pictures.
      sheet: the pictures; None to show captions alone.
      selected: id of the item to mark.
      filters: what to filter by: name of a tag to its label. Filtering happens in the browser.
      on_pick: called with the id that was clicked, before the script runs again.
      noun: what the items are.
    """

    def picked() -> None:
        chosen = st.session_state[key].get("pick")
        if isinstance(chosen, str) and any(item.id == chosen for item in items):
            on_pick(chosen)

    _GALLERY(
        key=key,
        data={
            "items": [asdict(item) for item in items],
            "sheet": None if sheet is None else asdict(sheet),
            "label": label,
            "selected": selected,
            "filters": dict(filters),
            "noun": noun,
        },
        on_pick_change=picked,
    )
