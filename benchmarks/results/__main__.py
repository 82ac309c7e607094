"""`make results`: writes the numbers of the runs that ship into README, docs and model cards."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from benchmarks.results.gathered import Results, find
from benchmarks.results.pages import BLOCKS, UnknownBlock, fill, filled, pages
from limoe_core.runs import Run, RunError

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Command:
    """Write the blocks of all pages anew, or show them for two other runs."""

    limoe: Path | None = None
    """A run with experts; its blocks and its twin's are printed, and no page is touched."""
    twin: Path | None = None
    """Its dense twin."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    options = tyro.cli(Command, args=arguments, prog="python -m benchmarks.results")
    if (options.limoe is None) != (options.twin is None):
        print("error: name both runs, with --limoe and --twin, or neither", file=sys.stderr)
        return 2
    try:
        if options.limoe is not None and options.twin is not None:
            results = Results.of(Run.open(options.limoe), Run.open(options.twin))
            asked = "\n".join(f"<!-- results: {name} -->\n<!-- end -->\n" for name in BLOCKS)
            print(filled(asked, results))
            return 0
        results = find(ROOT / "checkpoints")
        for page in pages(ROOT):
            changed = fill(page, results)
            print(f"{page.relative_to(ROOT)}: {'written' if changed else 'as it was'}")
    except (RunError, UnknownBlock) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
