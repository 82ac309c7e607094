"""One HTML file about a run or about two: `python -m analysis.report RUN [RUN] --output FILE`.

It opens from disk, asks nothing of any network, and has the figures, their numbers with intervals,
nulls, n and split, and the lines of Python that make them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from analysis.errors import AnalysisError
from analysis.reporting import one_run, two_runs
from analysis.reporting.page import html
from analysis.reporting.section import safely
from limoe_core.files import replacing
from limoe_core.runs import Run, RunError


def report(run: Run, other: Run | None = None) -> str:
    """The report as HTML, about 5 MB, most of it the library that draws the figures.

    A part of a run that is damaged or missing is a sentence in its place.

    Args:
      other: a second run, of which the same is shown, and how the two differ.
    """
    runs = [run] if other is None else [run, other]
    sections = []
    if other is not None:
        sections += safely("Training of both", partial(two_runs.curves, run, other))
        sections += safely("Differences", partial(two_runs.differences, run, other))
    for each in runs:
        sections.append(one_run.about(each))
        for title, make in (
            ("Training", one_run.training),
            ("Routing", one_run.routing),
            ("Zero-shot", one_run.zero_shot),
        ):
            sections += safely(title, partial(make, each))
    title = " and ".join(each.name for each in runs)
    return html(
        title,
        "A report of LIMoE Lens. The lines of Python below each figure and table make it again, in "
        "the folder that holds the run.",
        sections,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = argparse.ArgumentParser(
        description="Write one HTML file about a run, or about two and how they differ. It needs "
        "no server and no network.",
        epilog="examples: %(prog)s checkpoints/limoe-joint; "
        "%(prog)s checkpoints/limoe-joint checkpoints/dense-joint --output report.html",
    )
    parser.add_argument("run", type=Path, help="a run directory")
    parser.add_argument("other", type=Path, nargs="?", help="a second one, to compare with")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="the file (default: NAME-report.html here)"
    )
    options = parser.parse_args(arguments)
    try:
        runs = [Run.open(path) for path in (options.run, options.other) if path is not None]
        name = "-and-".join(run.name for run in runs)
        target = options.output or Path(f"{name}-report.html")
        text = report(*runs)
        with replacing(target) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except (RunError, AnalysisError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error.filename} cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
