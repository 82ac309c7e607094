"""A slice as conditions on pairs: on one line for the address bar, and in words for the reader."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

from analysis.errors import AnalysisError
from app.parts import messages
from app.server import runs
from app.shell import state
from limoe_core.runs import Run

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
            if label == "pair":
                found = _spread(found)
            elif label.startswith("block "):
                found = _experts(found)
            where[label] = found
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


def _experts(values: Sequence[str]) -> list[str]:
    for value in values:
        if not re.fullmatch(r"[0-9]{1,7}", value, re.ASCII):
            raise state.BadValue(
                f"{value[:40]!r} is no number of an expert; a slice by experts is like block 4:0,3"
            )
    return [str(int(value)) for value in values]


def _spread(parts: Iterable[str]) -> list[str]:
    found: list[str] = []
    for part in parts:
        ends = re.fullmatch(r"([0-9]{1,7})(?:-([0-9]{1,7}))?", part, re.ASCII)
        if ends is None or int(ends[2] or ends[1]) < int(ends[1]):
            raise state.BadValue(f"{part[:40]!r} is no number of a pair, and no range like 3-7")
        low, high = int(ends[1]), int(ends[2] or ends[1])
        # The address is read with every answer, and may come from anybody.
        if len(found) + high - low >= _MOST_PAIRS:
            raise state.BadValue(f"a slice lists at most {_MOST_PAIRS:,} numbers of pairs")
        found += map(str, range(low, high + 1))
    return found
