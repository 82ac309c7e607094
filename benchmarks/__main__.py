"""Speed and memory: `make bench`, or `python -m benchmarks expert_layer` for one part."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import tyro
from rich.console import Console

from benchmarks import machine, report
from benchmarks.isolated import measured

Part = Literal[
    "steps",
    "matrix_share",
    "pytorch",
    "expert_layer",
    "tracing",
    "input_pipeline",
    "reading",
    "start",
    "memory",
    "compile_time",
    "listing",
    "dashboard",
    "accelerator",
]
PARTS: tuple[Part, ...] = get_args(Part)

_FOLDER = Path(__file__).parent
RESULTS = _FOLDER / "results.json"
PAGE = _FOLDER / "RESULTS.md"


@dataclass(frozen=True)
class Command:
    """Measure and print a table; write benchmarks/results.json and benchmarks/RESULTS.md.

    Lines of parts that are not measured are kept.
    """

    parts: Annotated[tuple[Part, ...], tyro.conf.Positional] = ()
    """Parts to measure; all of them if none is named."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0 if all parts were measured, goals met or not."""
    options = tyro.cli(Command, args=arguments, prog="python -m benchmarks")
    console = Console()
    if machine.busy():
        console.print("This machine is busy with other work: ratios mean something, times little.")
    shown: list[dict[str, Any]] = []
    for part in options.parts or PARTS:
        with console.status(f"measuring {part}"):
            new = measured(part)
        # Written part by part, so that a part that fails does not lose the results of others.
        found = report.merge(report.read(RESULTS), new, PARTS)
        report.write(RESULTS, found)
        PAGE.write_text(report.page(found, "python -m benchmarks"), encoding="utf-8")
        shown += new
    console.print(report.screen(shown))
    return 0


if __name__ == "__main__":
    sys.exit(main())
