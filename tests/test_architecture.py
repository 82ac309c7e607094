"""Imports that `lint-imports` cannot see, and what no module may do.

The contracts in pyproject.toml say which way imports go. The linter reads modules; a notebook, and
a module that is named in a string, are looked at here.
"""

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
    "benchmarks": {"tests"},
}


def imported(source: str) -> Iterator[str]:
    """Top-level packages that a module imports anywhere in it by name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def named_in_strings(source: str) -> Iterator[str]:
    """Top-level packages that a module imports by `import_module` or `__import__`."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        if getattr(node.func, "attr", getattr(node.func, "id", "")) in _IMPORTING:
            first = node.args[0]
            if isinstance(first, ast.JoinedStr) and first.values:
                first = first.values[0]  # what an f-string begins with
            if isinstance(first, ast.Constant):
                yield str(first.value).split(".")[0]


_IMPORTING = {"import_module", "__import__"}


def modules(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every module below `folder`."""
    for path in sorted(folder.rglob("*.py")):
        yield path, path.read_text(encoding="utf-8")


def notebooks(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every notebook below `folder`, its code as one module."""
    for path in sorted(folder.rglob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        lines = "".join(
            "".join(cell["source"]) + "\n" for cell in cells if cell["cell_type"] == "code"
        ).splitlines()
        yield path, "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_imports_by_a_string_point_downwards_too(package: str) -> None:
    found = list(modules(ROOT / package))
    assert found, f"{package} has no modules"
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path, source in found
        for name in sorted(set(named_in_strings(source)) & FORBIDDEN[package])
    ]
    assert not wrong


def test_notebooks_need_no_dashboard() -> None:
    found = list(notebooks(ROOT / "analysis"))
    assert found
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path, source in found
        for name in sorted(
            # The study is made and read by benchmarks; one notebook is about it.
            {*imported(source), *named_in_strings(source)}
            & {*FORBIDDEN["analysis"]} - {"benchmarks"}
        )
    ]
    assert not wrong


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_no_package_imports_the_tests(package: str) -> None:
    wrong = [path for path, source in modules(ROOT / package) if "tests" in imported(source)]
    assert not wrong


def test_every_way_of_importing_is_noticed() -> None:
    source = """
import os, pandas.api
from plotly import graph_objects
def late(page):
    from streamlit.runtime import state
    import_module("app.pages")
    importlib.import_module(f"benchmarks.{page}")
from . import plotly_like
"""
    assert set(imported(source)) == {"os", "pandas", "plotly", "streamlit"}
    assert set(named_in_strings(source)) == {"app", "benchmarks"}


def test_no_module_unpickles() -> None:
    """A run copied from a stranger's machine is read without executing anything of theirs."""
    wrong = [
        path.relative_to(ROOT)
        for package in FORBIDDEN
        for path, source in (*modules(ROOT / package), *notebooks(ROOT / package))
        if not path.is_relative_to(ROOT / "benchmarks" / "resilience" / "hostile")  # makes them
        and (
            {"pickle", "dill", "cloudpickle", "joblib", "shelve"}
            & {*imported(source), *named_in_strings(source)}
            or "allow_pickle=True" in source
        )
    ]
    assert not wrong


def test_tables_of_the_dashboard_are_drawn_in_one_place() -> None:
    """Only there a missing value is an empty cell: Streamlit says "None" unless told otherwise."""
    drawing = [path for path, text in modules(ROOT / "app") if "st.dataframe(" in text]
    assert drawing == [ROOT / "app" / "parts" / "tables.py"]
