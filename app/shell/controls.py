"""Controls whose value lives in the address bar and in the session: `choice`, `toggle`, `text`.

Each is a Streamlit widget for one name of `app.shell.state`, which is also the widget's key.

Why not Streamlit's own `bind="query-params"` (tried with 1.67 in a browser):

- it replaces the browser's history entry, so Back never undoes a choice, and after a page turn Back
  leads to addresses without parameters;
- a bad value is dropped without a word, and so is one that no longer fits: the address goes on
  naming step 2 of the old run while the page shows step 5 of the new one;
- a default never stands in the address, so a link to the newest step shows another step tomorrow;
- a widget does not follow an address that changes while the page is open, as a figure of ours
  changes it in the browser;
- it is for widgets alone: galleries, cards and figures need the same, and nothing else may write a
  name that is bound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import streamlit as st

from app.shell import state

T = TypeVar("T", int, str)

#: A select box, a row of buttons (a segmented control), or a slider over ordered options.
Look = Literal["list", "buttons", "slider"]


def choice(
    name: str,
    label: str,
    options: Sequence[T],
    *,
    default: T | None = None,
    noun: str | None = None,
    words: Mapping[T, str] | Callable[[T], str] = str,
    look: Look = "list",
    pinned: bool = False,
    say: bool = True,
    shown: bool = True,
    **widget: Any,
) -> T:
    """Draws a choice of one option and returns the one that is chosen.

    Args:
      name: names the value in the address bar.
      options: whole numbers or words, at least one.
      default: the first option unless given.
      noun: an option in a sentence about a bad value, "there is no <noun> 'x' here"; the label
        in small letters unless given.
      words: an option as the reader sees it; user text must be made visible first.
      pinned, say: as in `app.shell.state.get`.
      shown: False to take the value from the address bar and draw nothing.
      widget: goes to the widget (`help`, `label_visibility`, `width`).
    """
    first = options[0] if default is None else default
    noun = label.lower() if noun is None else noun
    chosen = state.get(name, state.among(options, noun), first, pinned=pinned, say=say)
    if shown:
        st.session_state[name] = chosen
        _DRAW[look](
            label,
            options,
            key=name,
            format_func=words if callable(words) else words.__getitem__,
            on_change=state.bind(name, name),
            **widget,
        )
    return chosen


def toggle(
    name: str,
    label: str,
    *,
    default: bool = False,
    words: tuple[str, str] = ("off", "on"),
    shown: bool = True,
    **widget: Any,
) -> bool:
    """Draws a switch and returns whether it is on.

    Args:
      name, shown, widget: as in `choice`.
      words: off and on in the address bar.
    """
    on = state.get(name, state.among(words, f"value of {name}"), words[default]) == words[True]
    if shown:
        st.session_state[name] = on
        st.toggle(label, key=name, on_change=state.bind(name, name, words.__getitem__), **widget)
    return on


def text(
    name: str,
    label: str,
    default: str,
    *,
    clean: Callable[[str], str] = str,
    lines: bool = False,
    **widget: Any,
) -> str:
    """Draws a field for text and returns what stands in it.

    Args:
      name, widget: as in `choice`.
      clean: makes text from the address bar or the field fit for use; `clean(clean(x))` must be
        `clean(x)`.
      lines: whether the text may have several lines.
    """
    written = state.get(name, clean, default)
    st.session_state[name] = written

    def store() -> None:
        typed = clean(st.session_state[name] or "")
        state.put(name, None if typed == default else typed)  # a default may change: follow it

    field = st.text_area if lines else st.text_input
    field(label, key=name, on_change=store, **widget)
    return written


def several(
    name: str,
    label: str,
    options: Sequence[str],
    *,
    default: Sequence[str] = (),
    noun: str | None = None,
    words: Callable[[str], str] = str,
    **widget: Any,
) -> list[str]:
    """Draws a choice of any number of options and returns them in the order of `options`.

    Args:
      options: names of folders, which hold no "/": it stands between them in the address bar.
      default: chosen unless the reader says otherwise.
      name, label, noun, words, widget: as in `choice`.
    """
    one = state.among(options, label.lower() if noun is None else noun)

    def read(text: str) -> list[str]:
        named = {one(part) for part in text.split("/") if part}
        return [option for option in options if option in named]

    chosen = read(state.get(name, lambda text: _joined(read(text)), _joined(default)))
    st.session_state[name] = chosen
    st.multiselect(
        label,
        options,
        key=name,
        format_func=words,
        on_change=state.bind(name, name, _joined),
        **widget,
    )
    return chosen


def _joined(names: Sequence[str]) -> str:
    return "/".join(names)


def _buttons(label: str, options: Sequence[T], **widget: Any) -> None:
    st.segmented_control(label, options, required=True, **widget)


_DRAW: dict[Look, Callable[..., object]] = {
    "list": st.selectbox,
    "buttons": _buttons,
    "slider": st.select_slider,
}
