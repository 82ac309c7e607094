"""Names that a package loads when they are first used: the same for Python, pydoc and mypy."""

from __future__ import annotations

import ast
import importlib
import pydoc
import subprocess
import sys
from pathlib import Path

import pytest

import analysis
import limoe_core
from tests.conftest import ROOT

PACKAGES = (analysis, limoe_core)


def declared(package: str) -> dict[str, str]:
    """Names that type checkers see in a package, each with the module that it comes from."""
    tree = ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8"))
    (block,) = [
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    return {
        alias.name: str(line.module).removeprefix(f"{package}.")
        for line in block.body
        if isinstance(line, ast.ImportFrom) and line.module != package
        for alias in line.names
    }


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_type_checkers_see_the_names_that_python_loads(package) -> None:
    assert declared(package.__name__) == package._HOME
    assert sorted(package.__all__) == sorted(package._HOME)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_every_name_is_that_of_its_module(package) -> None:
    for name, home in package._HOME.items():
        module = importlib.import_module(f"{package.__name__}.{home}")
        assert getattr(package, name) is getattr(module, name)
        assert name in dir(package)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = package.no_such_name


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_help_lists_the_names(package) -> None:
    text = pydoc.plain(pydoc.render_doc(package))
    missing = [name for name in package.__all__ if name not in text]
    assert not missing
    if package is analysis:
        assert "roles(trace" in text  # with their parameters


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_importing_a_package_loads_none_of_its_modules(package) -> None:
    name = package.__name__
    script = f"import {name}, sys; print([m for m in sys.modules if m.startswith('{name}.')])"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.training
def test_mypy_sees_what_a_name_takes(tmp_path: Path) -> None:
    """A call that is wrong is an error, a name that does not exist is one, and a right call not."""
    pytest.importorskip("mypy")
    script = tmp_path / "calls.py"
    script.write_text(
        "import analysis, limoe_core\n"
        "model = limoe_core.load('checkpoints/my-run')\n"
        "trace = model.trace([], [])\n"
        "analysis.roles(trace)\n"
        "analysis.roles('not a trace', nonsense=True)\n"
        "analysis.no_such_name\n"
        "limoe_core.load(nonsense=True)\n"
        "limoe_core.no_such_name\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", str(script)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    told = [line for line in done.stdout.splitlines() if "calls.py" in line]
    wrong = {int(line.partition("calls.py:")[2].partition(":")[0]) for line in told}
    assert wrong == {5, 6, 7, 8}, done.stdout + done.stderr
