"""The token whose other routes are tried, by name in the address bar: i12 a patch, t3 a piece."""

from __future__ import annotations

import streamlit as st

from app.parts import messages
from app.shell import state
from limoe_core.trace import IMAGE, RoutingTrace


def choose(trace: RoutingTrace) -> int:
    """The token in the address, by its place in a trace of one pair; the picture's middle first."""
    keys = [key(trace, token) for token in range(trace.num_tokens)]
    patches = int((trace.modality == IMAGE).sum())
    middle = (trace.grid // 2) * trace.grid + trace.grid // 2 if patches else 0
    chosen = state.get("token", state.among(keys, "token"), keys[middle], say=False)
    return keys.index(chosen)


def draw(trace: RoutingTrace, picked: int) -> None:
    """Draws the same choice as a list, for those who do not click."""
    listed = names(trace)
    st.session_state["interventions.token"] = picked

    def store() -> None:
        state.put("token", key(trace, st.session_state["interventions.token"]))

    st.selectbox(
        "Token",
        range(trace.num_tokens),
        format_func=listed.__getitem__,
        key="interventions.token",
        on_change=store,
        width=320,
    )


def key(trace: RoutingTrace, token: int) -> str:
    """Name of a token in the address bar."""
    kind = "i" if trace.modality[token] == IMAGE else "t"
    return f"{kind}{int(trace.position[token])}"


def names(trace: RoutingTrace) -> list[str]:
    """Names of tokens in words, as on the Routing page."""
    found = []
    for token in range(trace.num_tokens):
        position = int(trace.position[token])
        if trace.modality[token] == IMAGE:
            row, column = divmod(position, trace.grid)
            found.append(f"Patch, row {row + 1}, column {column + 1}")
        else:
            piece = messages.visible(str(trace.piece[token]).replace("▁", "␣"), 40)
            found.append(f"Piece {position + 1}: {piece}")
    return found
