"""A strip of pictures to pick from, filtered in the browser."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import streamlit as st

from app.components import define
from app.components.channel import tell
from app.components.contact_sheet import Sheet, hosted

_GALLERY = define("gallery", Path(__file__).parent, scripts=("../channel/listening", "gallery"))


@dataclass(frozen=True)
class Item:
    """A picture of the gallery with its words, all shown as plain text."""

    id: str
    caption: str
    detail: str = ""
    """Shown on hovering."""
    tags: dict[str, str] = field(default_factory=dict)
    """Values to filter by, by the name of the filter."""


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
      filters: what to filter by, where items differ in it: name of a tag to its label. Filtering
        happens in the browser.
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
            "sheet": None if sheet is None else asdict(hosted(sheet, key)),
            "label": label,
            "channel": key,
            "filters": {
                tag: name
                for tag, name in filters.items()
                if len({item.tags.get(tag) for item in items}) > 1
            },
            "noun": noun,
        },
        on_pick_change=picked,
    )
    tell(key, {"selected": selected})  # all else stays, and is not sent again with it
