"""All attacks at full length: `make soak`, or `python -m benchmarks.resilience`."""

from __future__ import annotations

import dataclasses
import datetime
import importlib
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import tyro
from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.resilience.record import Record

Attack = Literal[
    "kills",
    "changes",
    "runs",
    "opened",
    "traces",
    "uploads",
    "origins",
    "starts",
    "sessions",
    "leavers",
]
ATTACKS: tuple[Attack, ...] = get_args(Attack)
#: Attacks that need a run of their own, trained and evaluated.
_ON_A_RUN = ("runs", "opened", "traces")

_FOLDER = Path(__file__).parents[1]
RESULTS = _FOLDER / "resilience.json"
PAGE = _FOLDER / "RESILIENCE.md"


@dataclass(frozen=True)
class Command:
    """Attack, print the outcome, and write benchmarks/resilience.json and RESILIENCE.md.

    Outcomes of attacks that are not made again are kept.
    """

    attacks: Annotated[tuple[Attack, ...], tyro.conf.Positional] = ()
    """Attacks to make; all of them if none is named."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 1 if any promise broke."""
    options = tyro.cli(Command, args=arguments, prog="python -m benchmarks.resilience")
    console = Console()
    shown: list[dict[str, Any]] = []
    for attack in options.attacks or ATTACKS:
        with console.status(f"attacking: {attack}"):
            made = [_told(record, attack) for record in _make(attack)]
        kept = [record for record in _read() if record["attack"] != attack]
        found = sorted([*kept, *made], key=lambda record: ATTACKS.index(record["attack"]))
        RESULTS.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        PAGE.write_text(page(found), encoding="utf-8")
        shown += made
    table = Table("attack", "tried", "failed", "how")
    for record in shown:
        table.add_row(record["name"], str(record["tried"]), str(record["failed"]), record["how"])
    console.print(table)
    return int(any(record["failed"] for record in shown))


def _make(attack: Attack) -> list[Record]:
    module = importlib.import_module(f"benchmarks.resilience.{attack}")
    if attack not in _ON_A_RUN:
        return module.run()
    from benchmarks.resilience.kills import quiet_run

    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        return module.run(quiet_run(Path(folder)))


def _told(record: Record, attack: Attack) -> dict[str, Any]:
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return {
        "attack": attack,
        **dataclasses.asdict(record),
        "date": today,
        "machine": machine.describe(),
    }


def _read() -> list[dict[str, Any]]:
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []


def page(found: list[dict[str, Any]]) -> str:
    """The text of `RESILIENCE.md`."""
    rows = [
        f"| {record['name']} | {record['tried']:,} | {record['failed']:,} | {record['how']} | "
        f"{record['date']} | `python -m benchmarks.resilience {record['attack']}` |"
        for record in found
    ]
    machines = sorted({record["machine"] for record in found})
    return "\n".join(
        [
            "# Attacks, and what came of them",
            "",
            "Written by `make soak` from `resilience.json`; no number here is typed by hand.",
            "",
            "| attack | tried | failed | how | date | command |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            *(f"Machine: {name}." for name in machines),
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
