"""Slices: pairs that the reader picked out on one page, for all pages.

A slice is its conditions, as `analysis.slice_trace` takes them. In the address bar it stands in
full, so that a link shows the same pairs elsewhere. One that is too long for that is kept in the
cache of whoever made it, and the address has its digest: opened on another machine, it is answered
with a sentence, and everything is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sized
from typing import TypeVar

import streamlit as st

from analysis.errors import AnalysisError
from analysis.slices import slice_pairs
from app.parts import messages
from app.parts.glossary import TERMS
from app.shell import controls, long_slices, state
from app.shell.conditions import Slice
from limoe_core.trace import RoutingTrace

Some = TypeVar("Some", bound=Sized)

#: Fewer pairs than this are said to be few.
FEW = 10
_SLICE, _NAME = "slice", "called"
_DRAWN = "slice.drawn"  # session: whether this run of the script has drawn the chip
_LONGEST_NAME = 60
#: Longest slice that is read from an address; those that the app writes are shorter.
_LONGEST_TYPED = 4_000


# ---- the slice in use


def active() -> Slice | None:
    """The slice that the reader is in; None for all pairs."""
    text = state.get(_SLICE, _readable, "")
    return Slice.parse(long_slices.unfolded(text)) if text else None


def use(where: Mapping[str, Iterable[object]], called: str = "") -> None:
    """Puts the reader into a slice; for callbacks of widgets.

    Args:
      called: its name, where the conditions do not say what was picked, and how.
    """
    text = Slice.of(where).text
    state.put(_SLICE, text if len(text) <= state.LONGEST_IN_ADDRESS else long_slices.keep(text))
    state.put(_NAME, messages.visible(called, _LONGEST_NAME) or None)


def leave() -> None:
    """Back to all pairs; for callbacks of widgets."""
    state.put(_SLICE, None)
    state.put(_NAME, None)


def within(
    chosen: Slice,
    find: Callable[[], Some],
    of: int,
    noun: str = "pair",
    *,
    count: Callable[[Some], int] = len,
) -> Some | None:
    """Draws the chip of the slice in the sidebar: its name, how many it holds, and the way out.

    Where nothing of the page is in the slice, or nothing is known of the labels that it is of, a
    sentence says so, and the page is of everything.

    Args:
      find: finds what is in it; raises AnalysisError with the reason where it cannot.
      of: how many things there are on this page.
      count: of what was found, how many of these they are.

    Returns: what was found; None if the page is of everything.
    """
    try:
        found = find()
        if not len(found):
            raise AnalysisError(f"no {noun} here is in the slice")
    except AnalysisError as error:
        _chip(chosen, f"not used: all {messages.counted(of, noun)} are shown")
        messages.say("info", f"All {noun}s are shown: {error}.")
        return None
    number = count(found)
    _chip(chosen, f"{number:,} of {messages.counted(of, noun)} here")
    if number < FEW:
        messages.say(
            "warning",
            f"The slice holds {messages.counted(number, noun)} here: too few to say much, whatever "
            "the intervals.",
        )
    return found


def does_not_apply(why: str) -> None:
    """Draws the chip of the slice, if there is one, on a page that cannot be of some pairs alone.

    Args:
      why: a sentence.
    """
    if (chosen := active()) is not None:
        _chip(chosen, "this page is of all pairs")
        messages.say("info", f"{why} What follows is of all pairs, and not of the slice.")


def say_if_picked() -> bool:
    """Says what accuracies in a slice of single pictures are not; whether it is such a slice.

    One from Compare or Confusions was picked by the answers, and the address does not tell it from
    one that was picked on a map.
    """
    chosen = active()
    picked = chosen is not None and "picture" in chosen.where
    if picked:
        messages.say(
            "warning",
            "This slice is of single pictures. If they were picked by their answers, as those that "
            "one run alone names rightly, then accuracies among them only show that choice, and "
            "their intervals and p-values mean nothing.",
        )
    return picked


def begin() -> None:
    """Call it before a page is drawn, and `end` after it."""
    st.session_state[_DRAWN] = False


def end() -> None:
    """Draws the chip where the page did not, so that the slice is seen and can be left anywhere.

    A page makes nothing of a slice in views that single pairs do not come from, and where it has
    nothing to show.
    """
    if not st.session_state.get(_DRAWN) and (chosen := active()) is not None:
        _chip(chosen, "not used in what this page shows now")


def _chip(chosen: Slice, here: str) -> None:
    st.session_state[_DRAWN] = True
    with st.sidebar.container(border=True, key="slice"):
        called = state.get(_NAME, lambda text: text[:_LONGEST_NAME], chosen.words)
        st.markdown(f"**Slice: {messages.plain(called, _LONGEST_NAME)}**", help=TERMS["slice"])
        what = "" if called == chosen.words else f"{messages.plain(chosen.words, 200)}: "
        st.caption(f"{what}{here}")
        if (trouble := long_slices.why_not_kept(chosen.text)) is not None:
            st.caption(
                f"It could not be kept on this machine ({messages.plain(trouble)}): it stays for "
                "this visit, and a link to it will show all pairs."
            )
        left, right = st.columns(2)
        with left, st.popover("Name"):
            controls.text(
                _NAME, "Name of the slice", chosen.words, clean=lambda text: text[:_LONGEST_NAME]
            )
        right.button("Leave", key="slice.leave", on_click=leave, width="stretch")


def choose(offered: Mapping[str, Iterable[object]]) -> None:
    """Draws the field for a slice by a label, in the sidebar.

    Args:
      offered: values by label.
    """
    values = {label: [str(one) for one in each if one != ""] for label, each in offered.items()}
    values = {label: each for label, each in values.items() if len(each) > 1}
    if not values:
        return
    with st.sidebar.popover("Slice", icon=":material/filter_alt:", width="stretch"):
        label = st.selectbox("Pairs by", list(values), key="slice.label", help=TERMS["slice"])
        widget = f"slice.values.{label}"
        st.multiselect(
            "with one of",
            values[label],
            key=widget,
            format_func=lambda value: _named(label, value),
        )

        def take() -> None:
            if chosen := st.session_state.get(widget):
                use({label: chosen})

        st.button("Use this slice", key="slice.use", on_click=take, width="stretch")


def offer(label: str, where: Mapping[str, Iterable[object]], called: str, *, key: str) -> None:
    """Draws a button that puts the reader into a slice, unless that is where the reader is.

    Args:
      called: see `use`.
    """
    if Slice.of(where) != active():
        st.button(
            label,
            icon=":material/filter_alt:",
            key=key,
            on_click=use,
            args=(where, called),
            help=TERMS["slice"],
        )


def labels_of(trace: RoutingTrace) -> dict[str, list[str]]:
    """What the pairs of a trace can be sliced by, for `choose`."""
    known: dict[str, list[str]] = {
        label: sorted({str(value) for value in trace.meta[label] if str(value)})
        for label in ("category", "language", "style")
        if label in trace.meta
    }
    experts = [str(expert) for expert in range(trace.num_experts)]
    return {**known, **{f"block {block}": experts for block in trace.layers}}


def pairs_of(
    trace: RoutingTrace | None, find: Callable[[Slice], list[int]] | None = None
) -> list[int] | None:
    """Draws the slice of a trace's pairs, or the choice of one; their numbers, None for all.

    Args:
      find: the numbers of the pairs in a slice, where these are not the probe pairs, or where the
        page asks more of them than to be in it.
    """
    if trace is None:
        return None
    chosen = active()
    if chosen is None:
        choose(labels_of(trace))
        return None
    look = find or (lambda it: slice_pairs(trace, it.where))
    return within(chosen, lambda: look(chosen), trace.num_pairs)


# ---- text


def _named(label: str, value: str) -> str:
    return f"E{value}" if label.startswith("block ") else messages.visible(value, 60)


def _readable(text: str) -> str:
    # Anybody may write an address, and it is read with every answer.
    if len(text) > _LONGEST_TYPED:
        raise state.BadValue(f"a slice has at most {_LONGEST_TYPED:,} characters there")
    if text:
        Slice.parse(long_slices.unfolded(text))
    return text
