"""The notebooks run from top to bottom on a run that was really trained, and say real numbers."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[2] / "analysis" / "notebooks"
NOTEBOOKS = sorted(path.name for path in FOLDER.glob("*.ipynb"))


def execute(name, run, monkeypatch):
    monkeypatch.setenv("LIMOE_RUN", str(run))
    notebook = nbformat.read(FOLDER / name, as_version=4)
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    ).execute()
    return notebook


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 3


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_are_kept_without_outputs(name):
    for cell in nbformat.read(FOLDER / name, as_version=4).cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@pytest.mark.notebook
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_run(name, debug_run, monkeypatch):
    notebook = execute(name, debug_run, monkeypatch)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    # Every cell shows something: a figure, a table or a line of text.
    assert all(cell.outputs for cell in code)
    shown = {kind for cell in code for output in cell.outputs for kind in output.get("data", {})}
    assert "application/vnd.plotly.v1+json" in shown
    printed = [output for output in code[0].outputs if output.get("name") == "stdout"]
    first = "".join(output.text for output in printed)
    assert first.startswith(debug_run.name)
