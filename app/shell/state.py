"""Page state, kept in the session and in the address bar, so that a view can be shared.

A value comes, in this order, from

1. the address bar, when the browser changed it: a link was opened, the reader went back, or a
   figure wrote into it;
2. the session, when the reader chose something;
3. the default.

At the end of a script run `publish` writes the address: nothing while every value is its default;
otherwise what differs, and what a default may not be tomorrow (the newest step). A choice adds an
entry to the browser's history, so that Back undoes it; a page just opened corrects its own entry.
Values are checked by the page that asks for them; a bad one in the address bar is answered with a
sentence and the default.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app.components import address as address_bar
from app.parts import messages
from app.shell.bar import Bar

T = TypeVar("T")

_VALUES = "state.values"  # name -> str: what the reader chose, or the address bar said
_BAR = "state.bar"  # what the address bar shows
_FRESH = "state.fresh"  # names whose value came from the address bar in this script run
_ASKED = "state.asked"  # name -> (value, default, pinned) of this script run, in the order asked
_CHOSEN = "state.chosen"  # names that callbacks have set since the last script run
_PAGE = "state.page"
_TURNED = "state.turned"  # whether the page was opened since an address was published
_LINKS = "state.links"

#: Longest value, in characters, in the address bar.
LONGEST_IN_ADDRESS = 400


class BadValue(ValueError):
    """An invalid value, with a sentence that says what is valid."""


def begin(page: str) -> None:
    """Reads the address bar. Call it once, before any `get`."""
    values: dict[str, str] = st.session_state.setdefault(_VALUES, {})
    same_page = st.session_state.get(_PAGE) == page
    address = st.query_params.to_dict()
    before = dict(values)
    changed = _bar().hear(address, moved=_went_back() or not same_page)
    # What was chosen on the page just now is newer than what a figure wrote into the address.
    fresh = changed - st.session_state.pop(_CHOSEN, set())
    for name in fresh:
        if name in address:
            values[name] = address[name]
        elif same_page:
            # The reader went back to where it was not named. (Turning to another page empties the
            # address too, and must lose nothing.)
            values.pop(name, None)
    st.session_state[_FRESH] = fresh
    st.session_state[_ASKED] = {}
    if not same_page:
        st.session_state[_TURNED] = True
    st.session_state[_PAGE] = page
    st.session_state[_LINKS] = st.session_state.get(_LINKS, 0) + (values != before)


def get(
    name: str, parse: Callable[[str], T], default: T, *, pinned: bool = False, say: bool = True
) -> T:
    """The value of `name`, remembered for `publish`.

    Args:
      parse: turns the address bar's text into the value; raises `BadValue` with a sentence.
      pinned: the default depends on what is on disk (the newest step), so a link names the value
        even where it is the default.
      say: show that sentence when the text came from the address bar. A value chosen earlier that
        no longer fits (another run has other steps) is replaced by the default in silence.
    """
    values: dict[str, str] = st.session_state.setdefault(_VALUES, {})
    value = default
    if name in values:
        try:
            value = parse(values[name])
        except BadValue as error:
            if say and name in st.session_state.get(_FRESH, ()):
                messages.say("warning", f"In the address: {error}")
            del values[name]
    st.session_state.setdefault(_ASKED, {})[name] = (str(value), str(default), pinned)
    return value


def put(name: str, value: object | None) -> None:
    """Sets a value from a widget's callback, before the script runs; None goes back to default."""
    st.session_state.setdefault(_CHOSEN, set()).add(name)
    values: dict[str, str] = st.session_state.setdefault(_VALUES, {})
    if value is None:
        values.pop(name, None)
    else:
        values[name] = str(value)


def bind(name: str, widget: str, write: Callable[[T], str] = str) -> Callable[[], None]:
    """A callback for a widget with the key `widget`, which stores its value under `name`."""

    def store() -> None:
        chosen = st.session_state.get(widget)
        put(name, None if chosen is None else write(chosen))

    return store


def address() -> dict[str, str]:
    """Parameters that a link to the values of this script run needs, defaults included."""
    asked: dict[str, tuple[str, str, bool]] = st.session_state.get(_ASKED, {})
    return {
        name: value
        for name, (value, default, pinned) in asked.items()
        if (pinned or value != default) and len(value) <= LONGEST_IN_ADDRESS
    }


def publish() -> None:
    """Updates the address bar if needed. Call it once, at the end."""
    asked: dict[str, tuple[str, str, bool]] = st.session_state.get(_ASKED, {})
    changed = any(value != default for value, default, _ in asked.values())
    wanted = address() if changed else {}
    turned = st.session_state.pop(_TURNED, False)
    if _bar().send(wanted):
        if turned:
            address_bar.correct(wanted)
        else:
            st.query_params.from_dict(wanted)


def _bar() -> Bar:
    bar: Bar = st.session_state.setdefault(_BAR, Bar())
    return bar


def _went_back() -> bool:
    """Whether the reader moved in the browser's history."""
    context = get_script_run_ctx()
    return context is not None and context.is_history_navigation


def links_opened() -> int:
    """Number of links opened so far: a change resets state that a component keeps itself."""
    return st.session_state.get(_LINKS, 0)


# ---- readers of values


def among(options: Collection[T], noun: str) -> Callable[[str], T]:
    """A reader that takes one of some words, or one of some whole numbers.

    Args:
      noun: what an option is called in a sentence about a bad value.
    """
    numbers = all(isinstance(option, int) for option in options)
    by_text = {str(option): option for option in options}

    def read(text: str) -> T:
        if numbers and not re.fullmatch(r"[0-9]{1,12}", text, re.ASCII):
            raise BadValue(f"{noun} {text!r} is not a whole number; {_instead(by_text)}")
        written = str(int(text)) if numbers else text
        if written not in by_text:
            what = written if numbers else repr(text)
            raise BadValue(f"there is no {noun} {what} here; {_instead(by_text)}")
        return by_text[written]

    return read


def _instead(options: Collection[str]) -> str:
    """Valid options in words, for a sentence about a bad value."""
    known = list(options)
    if not known:
        return "there is none at all"
    if len(known) == 1:
        return f"there is only {known[0]}"
    if len(known) <= 8:
        return f"choose one of {', '.join(known)}"
    return f"choose one of {', '.join(known[:4])}, … {known[-1]}"
