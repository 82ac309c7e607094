"""The map as a Streamlit component."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import streamlit as st

from app.components import define
from app.components.scatter.payload import Packed

_VIEW = define(
    "scatter",
    Path(__file__).parent,
    scripts=(
        "../routing/dom", "cloud", "painter", "flat", "places", "camera", "gestures", "legend",
        "tip", "saving", "main",
    ),
)  # fmt: skip
_POINTS = define("points", Path(__file__).parent / "points", scripts=("points",))


def scatter(
    points: Packed,
    *,
    by: str,
    chosen: str,
    selected: Sequence[int] | None,
    address: Mapping[str, str],
    opened: int,
    file: str,
    on_pick: Callable[[int | None], None],
    on_select: Callable[[list[int]], None],
    key: str,
) -> None:
    """Draws a map of points.

    Moving, hovering and colouring happen in the browser. A click on a point and a selection reach
    the server; the label to colour by is written into the address bar alone.

    Args:
      points: what `packed` made.
      by: label to colour by at first, and when a link is opened.
      chosen: name of the point that is looked at, or "".
      selected: places of the points of a slice, the others being faint; None for all.
      address: what else a link to this view must name.
      opened: changes when a link was opened.
      file: name of a saved picture, without extension.
      on_pick: called with the place of the point that was clicked, before the script runs again.
      on_select: the same with the places of the points that were circled.
    """

    def picked() -> None:
        place = st.session_state[key].get("pick")
        if isinstance(place, int) and 0 <= place < points.count:
            on_pick(place)
        elif place == "none":
            on_pick(None)

    def circled() -> None:
        places = st.session_state[key].get("select")
        if isinstance(places, list) and all(
            isinstance(place, int) and 0 <= place < points.count for place in places
        ):
            on_select(places)

    _POINTS(key=f"{key}.points", data=points.message)
    _VIEW(
        key=key,
        data={
            "points": points.id,
            "by": by,
            "chosen": chosen,
            "selected": None if selected is None else list(selected),
            "address": {name: value for name, value in address.items() if name != "by"},
            "opened": opened,
            "file": file,
        },
        on_pick_change=picked,
        on_select_change=circled,
    )
