"""Options of the dashboard's command line: `streamlit run app -- --runs DIR`, or `limoe-lens`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_HOME = Path(__file__).resolve().parents[2]
#: Where the runs that ship with the project lie.
SHIPPED_RUNS = _HOME / "checkpoints"
#: What the dashboard is started with: a command of its own where the package is installed.
START = "limoe-lens" if _HOME.parent.name == "limoe_lens" else "streamlit run app --"


class OptionsError(ValueError):
    """A command line that cannot be understood."""


@dataclass(frozen=True)
class Options:
    """Parsed command-line options."""

    runs: Path = SHIPPED_RUNS
    """The folder that holds the run directories."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        raise OptionsError(
            f"The command line was not understood ({message}). Start with: {START} --runs DIR"
        )


def parse(arguments: Sequence[str]) -> Options:
    """Options from what follows `--` on the command line.

    Raises:
      OptionsError: an unknown option, or one without its value.
    """
    parser = _Parser(prog=START, add_help=False, allow_abbrev=False)
    parser.add_argument("--runs", type=Path, default=SHIPPED_RUNS)
    found = parser.parse_args(list(arguments))
    return Options(runs=found.runs.expanduser().absolute())
