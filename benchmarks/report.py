"""The measured lines as a JSON file, a table on the screen and a Markdown page."""

from __future__ import annotations

import datetime
import itertools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.measure import Line
from benchmarks.version import UNKNOWN, Version

_COLUMNS = ("what", "value", "goal", "holds", "limit", "how")


def records(
    lines: Iterable[Line], part: str, machine: str, code: Version = UNKNOWN
) -> list[dict[str, Any]]:
    """Lines as plain values for `results.json`, with machine, date and the code's version.

    Numbers keep four digits, more than any of these timings can reproduce.
    """
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return [
        {
            "part": part,
            "name": line.name,
            "value": _rounded(line.value),
            "unit": line.unit,
            "goal": line.goal,
            "bound": None if line.goal is None else line.bound,
            "holds": line.holds,
            "limit": _rounded(line.limit),
            "how": line.how,
            "date": today,
            "machine": machine,
            "commit": code.commit,
            "committed": code.committed,
        }
        for line in lines
    ]


def read(path: Path) -> list[dict[str, Any]]:
    """The records of `results.json`; [] if there is none yet."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def merge(
    old: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]], order: Sequence[str]
) -> list[dict[str, Any]]:
    """All records in order of parts; new ones replace old ones of the same part or name."""
    parts = {record["part"] for record in new}
    names = {record["name"] for record in new}
    kept = [
        record
        for record in old
        if record["part"] in order and record["part"] not in parts and record["name"] not in names
    ]
    return sorted([*kept, *new], key=lambda record: order.index(record["part"]))


def write(path: Path, found: Sequence[dict[str, Any]]) -> None:
    """Write `results.json`, one record per line, so that diffs show one line per change."""
    rows = ",\n".join(json.dumps(record, ensure_ascii=False) for record in found)
    path.write_text(f"[\n{rows}\n]\n", encoding="utf-8")


def screen(found: Iterable[dict[str, Any]]) -> Table:
    """The table on the screen."""
    table = Table(*_COLUMNS)
    for record in found:
        table.add_row(*_cells(record))
    return table


def page(found: Sequence[dict[str, Any]], command: str) -> str:
    """`RESULTS.md`: one table per machine, day and version of the code.

    Tables of another version than the newest that was measured say that they are older.
    """
    text = [
        "# Measured speed and memory",
        f"Written by `{command}` from `results.json`; no number here is typed by hand.",
        "Every ratio is one of medians of interleaved repeats in one process, on the same inputs. "
        "The *limit* is what the value would be if nothing but the work that cannot be left out "
        "took time: its FLOPs at the matrix rate, and its bytes at the bandwidth, that were "
        "measured in the same process. Parts may be measured at different hours, between which the "
        "seconds of one kind of machine can nearly double: compare ratios. Each table names the "
        "commit that was measured; what is older than others here was not measured again since.",
    ]
    newest = max((record["committed"] for record in found), default="")

    def table(record: dict[str, Any]) -> tuple[str, ...]:
        return record["machine"], record["date"], record["committed"], record["commit"]

    for (machine, date, committed, commit), group in itertools.groupby(
        sorted(found, key=table), key=table
    ):
        code = f"commit {Version(commit, committed).short}" if commit else "an unknown commit"
        older = ", older than others here" if committed < newest else ""
        text += [f"## {machine}\n\n{date}, {code}{older}", _markdown(list(group))]
    return "\n\n".join(text) + "\n"


def _markdown(found: Sequence[dict[str, Any]]) -> str:
    rows = [_COLUMNS, ("---", "---:", "---:", "---", "---:", "---"), *map(_cells, found)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in r) + " |" for r in rows)


def _cells(record: dict[str, Any]) -> tuple[str, ...]:
    goal = record["goal"]
    return (
        record["name"],
        _number(record["value"], record["unit"]) or "not measured",
        "" if goal is None else f"{record['bound']} {_number(goal, record['unit'])}",
        {True: "yes", False: "no", None: ""}[record["holds"]],
        _number(record["limit"], record["unit"]),
        record["how"],
    )


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    digits = f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{digits} {unit}".rstrip()


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
