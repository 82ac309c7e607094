"""A pair pinned beside the one in view, to compare the two."""

from __future__ import annotations

import streamlit as st

from app.pair.chosen import Pair
from app.parts import messages, pictures
from app.server import runs
from app.shell import state
from limoe_core.trace import RoutingTrace

_UPLOAD = "pins.upload"  # session: the reader's own picture that is pinned
#: In the address bar: the example whose picture is pinned, or one of these.
_OWN, _NO_PICTURE = "own", "none"


def pinned(probe: RoutingTrace | None) -> Pair | None:
    """The pair that is pinned; None if none is.

    The address bar names it: `pin` its picture and `pinned` its text, where that is not the
    example's. A picture of the reader's own stays in the session, so a link cannot bring it along.
    """
    count = 0 if probe is None else probe.num_pairs
    picture = state.get("pin", lambda text: _picture(text, count), "")
    text = state.get("pinned", runs.clean, "")
    if not picture:
        return None
    if picture == _OWN:
        return Pair(None, st.session_state[_UPLOAD], True, text, own_text=True)
    if picture == _NO_PICTURE:
        return Pair(None, None, False, text, own_text=True)
    example = int(picture)
    caption = "" if probe is None else str(probe.captions[example])
    own = text not in ("", caption)
    return Pair(example, None, True, text if own else caption, own_text=own)


def offer(pair: Pair, there: Pair | None) -> None:
    """Draws the button that pins the pair in view, or that lets the pinned one go."""
    if there is None:
        st.button(
            "Pin this pair",
            icon=":material/push_pin:",
            on_click=_pin,
            args=(pair,),
            help="Keeps this pair beside the next one that you choose, in the same layer.",
        )
    else:
        st.button("Unpin", icon=":material/keep_off:", on_click=_unpin)


def draw_head(title: str, pair: Pair) -> None:
    """Draws what tells two pairs beside each other apart."""
    st.markdown(f"**{title}:** “{messages.plain(pair.text, 120)}”")


def _pin(pair: Pair) -> None:
    if pair.upload is not None:
        st.session_state[_UPLOAD] = pair.upload
        picture = _OWN
    else:
        picture = str(pair.example) if pair.with_picture else _NO_PICTURE
    state.put("pin", picture)
    state.put("pinned", None if pair.is_example else pair.text or " ")


def _unpin() -> None:
    st.session_state.pop(_UPLOAD, None)
    state.put("pin", None)
    state.put("pinned", None)


def _picture(text: str, count: int) -> str:
    """The address bar's word for the pinned picture.

    Raises:
      BadValue: there is no such picture here.
    """
    if text in ("", _NO_PICTURE):
        return text
    if text == _OWN:
        if isinstance(st.session_state.get(_UPLOAD), pictures.Upload):
            return text
        raise state.BadValue(
            "the pinned picture was somebody's own, which no link brings; pin again"
        )
    return str(state.among(range(count), "pinned example")(text))
