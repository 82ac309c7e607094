"""Every benchmark, one table: `make bench`, or `python -m benchmarks`."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import measure, steps, tracing

RESULTS = Path(__file__).parent / "results.json"


def main() -> int:
    """Run all benchmarks, print the table, and write it to `results.json`."""
    console = Console()
    lines: list[measure.Line] = []
    for benchmark in (tracing, steps):
        name = benchmark.__name__.rpartition(".")[2]
        with console.status(f"measuring {name}"):
            lines += benchmark.run()
    table = Table("what", "value", "goal", "holds", "how")
    for line in lines:
        holds = {True: "yes", False: "no", None: ""}[line.holds]
        goal = "" if line.goal is None else f"{line.goal:.3g}"
        table.add_row(line.name, f"{line.value:.3g}", goal, holds, line.how)
    console.print(table)
    RESULTS.write_text(json.dumps([dataclasses.asdict(line) for line in lines], indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
