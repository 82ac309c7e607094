"""The notebooks run from top to bottom on a run that was really trained, and say real numbers."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "analysis" / "notebooks"
NOTEBOOKS = sorted(path.name for path in FOLDER.glob("*.ipynb"))


def execute(name, run, monkeypatch, study=None):
    monkeypatch.setenv("LIMOE_RUN", str(run))
    if study is not None:
        monkeypatch.setenv("STUDY_RESULTS", str(study))
    notebook = nbformat.read(FOLDER / name, as_version=4)
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    ).execute()
    return notebook


def test_there_are_notebooks():
    assert NOTEBOOKS == [
        "emergence.ipynb",
        "experts_by_modality.ipynb",
        "sceptics_check.ipynb",
        "study.ipynb",
    ]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_are_kept_as_they_ran_from_top_to_bottom_or_not_at_all(name):
    cells = nbformat.read(FOLDER / name, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    counts = [cell.execution_count for cell in code]
    assert counts in ([None] * len(code), [*range(1, len(code) + 1)])
    outputs = [output for cell in code for output in cell.outputs]
    assert bool(outputs) == (counts[0] is not None)
    assert all(output.output_type != "error" for output in outputs)
    assert str(ROOT) not in str(outputs), "where it was run is nobody's business"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_read_like_a_short_paper(name):
    cells = nbformat.read(FOLDER / name, as_version=4).cells
    assert all(part in cells[0].source for part in ("**Question.**", "**Method.**"))
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    figures = [int(number) for number in re.findall(r"\*\*Figure (\d+)\.\*\*", code)]
    assert figures == [*range(1, len(figures) + 1)] != []
    assert "conclu" in code or "verdict" in code


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
    assert first.startswith("results.jsonl" if name == "study.ipynb" else debug_run.name)
