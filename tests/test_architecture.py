"""The import direction: app → analysis → limoe_core, and what each layer may lean on."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

FORBIDDEN = {
    "limoe_core": {"analysis", "app", "benchmarks", "tests", "streamlit", "plotly", "pandas"},
    "analysis": {"app", "benchmarks", "tests", "streamlit"},
    "app": {"benchmarks", "tests"},
}


def imported(source: str) -> Iterator[str]:
    """Top-level packages that a module imports anywhere in it, by name or by `import_module`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]
        elif isinstance(node, ast.Call) and node.args:
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            first = node.args[0]
            if name in {"import_module", "__import__"} and isinstance(first, ast.Constant):
                yield str(first.value).split(".")[0]


def sources(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every module below `folder`, and every notebook as one module."""
    for path in sorted(folder.rglob("*.py")):
        yield path, path.read_text(encoding="utf-8")
    for path in sorted(folder.rglob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        lines = "".join(
            "".join(cell["source"]) + "\n" for cell in cells if cell["cell_type"] == "code"
        ).splitlines()
        yield path, "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_imports_point_downwards(package: str) -> None:
    modules = list(sources(ROOT / package))
    assert modules, f"{package} has no modules"
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path, source in modules
        for name in sorted(set(imported(source)) & FORBIDDEN[package])
    ]
    assert not wrong


def test_every_way_of_importing_is_noticed() -> None:
    source = """
import os, pandas.api
from plotly import graph_objects
def late():
    from streamlit.runtime import state
    import_module("app.pages")
from . import plotly_like
"""
    assert set(imported(source)) == {"os", "pandas", "plotly", "streamlit", "app"}


def test_no_module_unpickles() -> None:
    """A run copied from a stranger's machine is read without executing anything of theirs."""
    wrong = [
        path.relative_to(ROOT)
        for package in FORBIDDEN
        for path, source in sources(ROOT / package)
        if {"pickle", "dill", "cloudpickle", "joblib", "shelve"} & set(imported(source))
        or "allow_pickle=True" in source
    ]
    assert not wrong
