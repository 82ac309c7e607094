"""`make notebooks`: runs the notebooks on the runs that ship and keeps what they show."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
import tyro
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from limoe_core.files import replacing

FOLDER = Path(__file__).resolve().parents[1] / "analysis" / "notebooks"


@dataclass(frozen=True)
class Command:
    """Run notebooks from top to bottom, and keep their outputs in them."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Notebooks, such as emergence; all by default."""
    clear: bool = False
    """Take the outputs out, and run nothing."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    options = tyro.cli(Command, args=arguments, prog="python -m benchmarks.notebooks")
    there = {path.stem: path for path in sorted(FOLDER.glob("*.ipynb"))}
    if unknown := sorted(set(options.names) - set(there)):
        print(f"error: no notebook {unknown[0]!r}; there are {', '.join(there)}", file=sys.stderr)
        return 2
    status = 0
    for name in options.names or there:
        try:
            keep(there[name], clear=options.clear)
            print(name)
        except CellExecutionError as error:
            print(f"error: {name}: {error}", file=sys.stderr)
            status = 1
    return status


def keep(path: Path, *, clear: bool = False) -> None:
    """Runs a notebook and writes it with what it shows, or not at all.

    Times and the like are left out, so that the same run gives the same file.

    Raises:
      CellExecutionError: a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    if not clear:
        NotebookClient(
            notebook, timeout=3600, kernel_name="python3", resources={"metadata": {"path": FOLDER}}
        ).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":  # warnings name folders of this machine
            cell.outputs = [each for each in cell.outputs if each.get("name") != "stderr"]
        if cell.cell_type == "code":  # warnings name folders of this machine
            cell.outputs = [each for each in cell.outputs if each.get("name") != "stderr"]
        if clear and cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.metadata.get("language_info", {}).pop("version", None)
    with replacing(path) as temporary:
        nbformat.write(notebook, temporary)


if __name__ == "__main__":
    sys.exit(main())
