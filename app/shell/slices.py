"""Slices: pairs that the reader picked out on one page, for all pages.

A slice is its conditions, as `analysis.slice_trace` takes them. In the address bar it stands in
full, so that a link shows the same pairs elsewhere. One that is too long for that is kept in the
cache of whoever made it, and the address has its digest: opened on another machine, it is answered
with a sentence, and everything is shown.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

import streamlit as st

from analysis.errors import AnalysisError
from analysis.slices import Where, slice_pairs
from app.parts import messages
from app.parts.glossary import TERMS
from app.server import runs
from app.shell import controls, state
from limoe_core import places
from limoe_core.files import replacing
from limoe_core.runs import Run
from limoe_core.trace import RoutingTrace

#: Fewer pairs than this are said to be few.
FEW = 10
_SLICE, _NAME = "slice", "called"
_LONGEST_NAME = 60
_MOST_KEPT = 1_000
_LONGEST_FILE = 4_000_000  # bytes
_KEPT = re.compile(r"@[0-9a-f]{20}")
#: Most numbers of pairs that a slice lists.
_MOST_PAIRS = 100_000
_LABEL = re.compile(r"[a-z]+(?: [0-9]{1,4})?")


@dataclass(frozen=True)
class Slice:
    """Conditions on pairs, all of which hold."""

    conditions: tuple[tuple[str, tuple[str, ...]], ...]
    """Label and values, one of which a pair has; see `analysis.slices`."""

    @classmethod
    def of(cls, where: Mapping[str, Iterable[object]]) -> Slice:
        """The slice of these conditions, in one order whatever theirs."""
        return cls(
            tuple(
                (label, tuple(sorted({str(value) for value in values}, key=_in_order)))
                for label, values in sorted(where.items())
            )
        )

    @classmethod
    def parse(cls, text: str) -> Slice:
        """What `text` wrote.

        Raises:
          state.BadValue: it did not.
        """
        where: dict[str, list[str]] = {}
        for part in text.split(";"):
            label, _, values = part.partition(":")
            label = unquote(label).replace("_", " ")
            if not _LABEL.fullmatch(label) or not values or label in where:
                raise state.BadValue(
                    f"the slice {text[:80]!r} cannot be read; one is like category:Flags or "
                    "pair:0-7,12"
                )
            found = [unquote(value) for value in values.split(",")]
            where[label] = _spread(found) if label == "pair" else found
        return cls.of(where)

    @property
    def text(self) -> str:
        """The conditions on one line."""
        return ";".join(
            f"{label.replace(' ', '_')}:"
            + ",".join(_ranges(values) if label == "pair" else map(_quoted, values))
            for label, values in self.conditions
        )

    @property
    def where(self) -> dict[str, list[str]]:
        """The conditions as `analysis` takes them."""
        return {label: list(values) for label, values in self.conditions}

    def of_pictures(self, run: Run) -> dict[str, list[str]]:
        """The conditions without numbers of probe pairs, for other pairs than those.

        Raises:
          AnalysisError: nothing is known of the concepts and styles of the probe pairs.
        """
        where = self.where
        if "pair" not in where:
            return where
        steps = run.probe_steps()
        known = runs.probe(run, steps[-1]).meta if steps else {}
        if not {"concept", "style"} <= {*known}:
            raise AnalysisError(
                "the slice is of numbers of probe pairs, and nothing is known here of their "
                "concepts and styles"
            )
        named = [
            f"{concept}.{style}"
            for concept, style in zip(known["concept"], known["style"], strict=True)
        ]
        numbers = [int(pair) for pair in where.pop("pair")]
        found = {named[number] for number in numbers if number < len(named)}
        return {**where, "picture": sorted(found)}

    @property
    def words(self) -> str:
        """The conditions for the reader."""
        said = []
        for label, values in self.conditions:
            if label in ("pair", "picture") or len(values) > 3:
                said.append(messages.counted(len(values), label))
            else:
                experts = (
                    [f"E{value}" for value in values] if label.startswith("block ") else values
                )
                said.append(f"{label} {' or '.join(experts)}")
        return ", ".join(said)


# ---- the slice in use


def active() -> Slice | None:
    """The slice that the reader is in; None for all pairs."""
    text = state.get(_SLICE, _readable, "")
    return Slice.parse(_unfolded(text)) if text else None


def use(where: Mapping[str, Iterable[object]]) -> None:
    """Puts the reader into a slice; for callbacks of widgets."""
    text = Slice.of(where).text
    state.put(_SLICE, text if len(text) <= state.LONGEST_IN_ADDRESS else _keep(text))
    state.put(_NAME, None)


def leave() -> None:
    """Back to all pairs; for callbacks of widgets."""
    state.put(_SLICE, None)
    state.put(_NAME, None)


def show(chosen: Slice | None, count: int, of: int, noun: str = "pair") -> None:
    """Draws the chip of the slice in the sidebar: its name, how many it holds, and the way out.

    Args:
      count, of: how many of how many things on this page are in it.
    """
    if chosen is None:
        return
    with st.sidebar.container(border=True, key="slice"):
        called = state.get(_NAME, lambda text: text[:_LONGEST_NAME], chosen.words)
        st.markdown(f"**Slice: {messages.plain(called, _LONGEST_NAME)}**", help=TERMS["slice"])
        what = "" if called == chosen.words else f"{messages.plain(chosen.words, 200)}: "
        st.caption(f"{what}{count:,} of {messages.counted(of, noun)} here")
        left, right = st.columns(2)
        with left, st.popover("Name"):
            controls.text(
                _NAME, "Name of the slice", chosen.words, clean=lambda text: text[:_LONGEST_NAME]
            )
        right.button("Leave", key="slice.leave", on_click=leave, width="stretch")
    if 0 < count < FEW:
        messages.say(
            "warning",
            f"The slice holds {messages.counted(count, noun)} here: too few to say much, whatever "
            "the intervals.",
        )


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
    trace: RoutingTrace, conditions: Callable[[Slice], Where] = lambda chosen: chosen.where
) -> list[int] | None:
    """Draws the slice of a trace's pairs, or the choice of one; their numbers, None for all.

    Args:
      conditions: those of the slice on these pairs, where they are not the probe pairs.
    """
    chosen = active()
    if chosen is None:
        choose(labels_of(trace))
        return None
    pairs = found(lambda: slice_pairs(trace, conditions(chosen)))
    show(chosen, len(pairs), trace.num_pairs)
    return pairs


def found(find: Callable[[], list[int]]) -> list[int]:
    """What is in a slice; nothing, with a message, where the labels that it is of are not known."""
    try:
        return find()
    except AnalysisError as error:
        messages.say("info", f"{error}. Leave it in the sidebar.")
        return []


# ---- text


def _named(label: str, value: str) -> str:
    return f"E{value}" if label.startswith("block ") else messages.visible(value, 60)


def _readable(text: str) -> str:
    if text:
        Slice.parse(_unfolded(text))
    return text


def _unfolded(text: str) -> str:
    """The conditions themselves, from the cache if the text is a digest.

    Raises:
      state.BadValue: they are not there.
    """
    if not text.startswith("@"):
        return text
    absent = state.BadValue(
        "this slice is long and was kept on the machine where it was made, and not here; all pairs "
        "are shown. Make it again, or open the link on that machine."
    )
    folder = places.cache("slices")
    if folder is None or not _KEPT.fullmatch(text):
        raise absent
    path = folder / f"{text[1:]}.txt"
    try:
        if path.stat().st_size > _LONGEST_FILE:
            raise absent
        found = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        raise absent from None
    if _digest(found) != text:  # damaged
        raise absent
    return found


def _keep(text: str) -> str:
    digest = _digest(text)
    folder = places.cache("slices")
    if folder is not None and len(text) <= _LONGEST_FILE:
        with replacing(folder / f"{digest[1:]}.txt") as temporary:
            temporary.write_text(text, encoding="utf-8")
        _forget_all_but(folder, _MOST_KEPT)
    return digest


def _forget_all_but(folder: Path, most: int) -> None:
    """Any reader may make slices, so the oldest give way."""
    with suppress(OSError):
        files = sorted(folder.glob("*.txt"), key=lambda file: file.stat().st_mtime)
        for file in files[: max(0, len(files) - most)]:
            file.unlink()


def _digest(text: str) -> str:
    return "@" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:20]


def _quoted(value: str) -> str:
    return quote(value, safe="", encoding="utf-8", errors="replace")


def _in_order(value: str) -> tuple[int, str]:
    return (int(value), value) if re.fullmatch(r"[0-9]{1,12}", value, re.ASCII) else (-1, value)


def _ranges(values: Iterable[str]) -> Iterable[str]:
    """Whole numbers that rise, as "0-3" where several follow each other."""
    runs: list[list[int]] = []
    for number in map(int, values):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return [f"{low}-{high}" if high > low else str(low) for low, high in runs]


def _spread(parts: Iterable[str]) -> list[str]:
    found: list[str] = []
    for part in parts:
        ends = re.fullmatch(r"([0-9]{1,7})(?:-([0-9]{1,7}))?", part, re.ASCII)
        if ends is None:
            raise state.BadValue(f"{part[:40]!r} is no number of a pair, and no range like 3-7")
        low, high = int(ends[1]), int(ends[2] or ends[1])
        # The address is read with every answer, and may come from anybody.
        if len(found) + high - low >= _MOST_PAIRS:
            raise state.BadValue(f"a slice lists at most {_MOST_PAIRS:,} numbers of pairs")
        found += map(str, range(low, high + 1))
    return found
