"""The routing view as a Streamlit component."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from app.components import define
from app.components.channel import tell

_VIEW = define(
    "routing",
    Path(__file__).parent,
    scripts=(
        "../channel/listening", "dom", "unpacking", "tokens", "chart", "picture", "caption",
        "legend", "miniature", "layers", "detail", "address", "saving", "exporting", "main",
    ),
)  # fmt: skip


def routing_view(
    data: Mapping[str, Any],
    *,
    layer: int,
    token: str,
    address: Mapping[str, str],
    opened: int,
    on_view: Callable[[int | None, str | None, str | None], None],
    key: str,
    pinned: bool = False,
) -> None:
    """Draws a pair's routing.

    Layer and token are the reader's to change in the browser, address bar included, without a
    script run. The server hears of them when the reader leaves the figure. (This is not a fragment:
    a click elsewhere right after would be taken for a part of it, and the page would miss it.)

    Args:
      data: what `payload` made.
      layer: block number to begin with.
      token: token to follow at first, as in the address bar ("i12" a patch, "t3" a piece), or "".
      address: what else a link to this view must name.
      opened: changes when a link was opened: layer and token are then those given here.
      pinned: it stands beside another view: it follows that one's layer, and leaves the address
        bar alone.
      on_view: called with the layer and token left in view, before the script runs again, and with
        the pair whose layers are all wanted, if they are and were not sent.
    """

    def remember() -> None:
        view = st.session_state[key].get("view") or {}
        on_view(view.get("layer"), view.get("token"), view.get("all"))

    _VIEW(key=key, data={"channel": key}, on_view_change=remember)
    tell(
        key,
        {
            **data,
            "address": {k: v for k, v in address.items() if k not in {"layer", "token"}},
            "view": {"layer": layer, "token": token, "opened": opened, "pinned": pinned},
        },
    )
