"""Copy a run to one that is small enough to ship: `python -m limoe_core.ship --help`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from limoe_core import command
from limoe_core.runs import Run, RunError


@dataclass(frozen=True)
class Options:
    """Copy a run without what only training needs: parameters of some steps, probes, metrics."""

    run: Path
    """The run that was trained."""
    to: Path
    """The run directory to write."""
    steps: tuple[int, ...] = ()
    """Steps whose parameters go along; none for the newest alone."""
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    """How parameters are stored; they are loaded as float32 either way."""


HELP = command.Help(
    "limoe_core.ship",
    """
    # three steps and all probes
    {program} --run checkpoints/my-run --to checkpoints/small \\
        --steps 500 1000 3000
    """,
)


def ship(options: Options) -> Run:
    """Write the copy; what is there already of the same run is replaced.

    Raises:
      RunError: a step is missing, something else is at `to`, or it cannot be written.
    """
    from limoe_core.runs.export import export_params, export_records  # starts JAX

    run = Run.open(options.run)
    steps = options.steps or (run.resolve_step(),)
    try:
        for step in steps:
            shipped = export_params(run, run.resolve_step(step), options.to, options.dtype)
        export_records(run, shipped)
    except OSError as error:
        raise RunError(
            f"{options.to} cannot be written: {error.strerror or error}; when there is room, or "
            "the folder may be written to, the same command makes the copy whole"
        ) from error
    return shipped


def main() -> int:
    """The command line. Returns the exit code."""
    try:
        shipped = ship(command.parse(Options, None, HELP))
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    size = sum(file.stat().st_size for file in shipped.path.rglob("*") if file.is_file())
    print(f"{shipped.path}: {size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
