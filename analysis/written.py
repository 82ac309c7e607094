"""Python as text: where a name is imported from, plain values, and long lines broken."""

from __future__ import annotations

import inspect
import math
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.errors import AnalysisError

_WIDTH = 88
_INDENT = 4
#: Whether this is the installed package, where `analysis` is not at the top: see `limoe_lens`.
_INSTALLED = Path(__file__).resolve().parents[2].name == "limoe_lens"


@dataclass(frozen=True)
class Home:
    """Where a function or class is imported from."""

    module: str
    imported: str
    """From the module; "" for the module itself."""
    written: str
    """How the function is then called."""

    @property
    def name(self) -> str:
        """What the import makes known."""
        return self.imported or self.module


def home_of(function: Callable[..., Any]) -> Home | None:
    """The shortest way to import a function; None for a method, which needs none.

    Raises:
      AnalysisError: there is none.
    """
    if inspect.ismethod(function) and isinstance(function.__self__, type):
        home = home_of(function.__self__)
        assert home is not None
        return Home(home.module, home.imported, f"{home.written}.{function.__name__}")
    module = getattr(function, "__module__", None) or ""
    qualname = getattr(function, "__qualname__", "")
    name, _, method = qualname.partition(".")
    if name.startswith("_") or not qualname.replace(".", "").isidentifier():
        raise AnalysisError(f"{function!r} has no public name, so nobody could call it again")
    target = getattr(sys.modules.get(module), name, None)
    if method:
        if not isinstance(target, type) or not callable(getattr(target, method, None)):
            raise AnalysisError(f"{module}.{qualname} cannot be imported by its name")
        return None
    if target is not function:
        raise AnalysisError(f"{module}.{qualname} cannot be imported by its name")
    package = next(each for each in _packages(module) if _has(each, name, function))
    parent, _, last = package.rpartition(".")
    if isinstance(function, type) or not hasattr(sys.modules[package], "__path__"):
        return Home(package, name, name)
    if not parent:
        return Home(package, "", f"{package}.{name}")
    return Home(parent, last, f"{last}.{name}")


def _packages(module: str) -> Iterator[str]:
    """The packages around a module, outermost first, and the module itself."""
    parts = module.split(".")
    return (".".join(parts[: end + 1]) for end in range(len(parts)))


def _has(package: str, name: str, function: object) -> bool:
    return getattr(sys.modules.get(package), name, None) is function


@dataclass(frozen=True)
class Group:
    """What can be written on one line, or with each item on a line of its own."""

    before: str
    items: tuple[tuple[str, str | Group], ...]
    """Prefix, such as `k=`, and the item."""
    after: str


def import_lines(found: set[tuple[str, str]]) -> list[str]:
    """Lines that import names from modules; "" for the module itself."""
    lines = sorted(f"import {module}" for module, name in found if not name)
    if _INSTALLED and any(module.split(".")[0] == "analysis" for module, _ in found):
        lines.insert(0, "import limoe_lens  # so that analysis is found")
    for module in sorted({module for module, name in found if name}):
        names = tuple(("", name) for name in sorted(n for m, n in found if m == module and n))
        one = f"from {module} import " + ", ".join(name for _, name in names)
        several = layout(Group("(", names, ")"), 0, _WIDTH)
        lines.append(one if len(one) <= _WIDTH else f"from {module} import {several}")
    return lines


def literal(value: Any) -> str:
    """A plain value as Python writes it.

    Raises:
      AnalysisError: it is none.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, float) and not math.isfinite(value):
        return f"float({str(value)!r})"
    if value is None or type(value) in (bool, int, float, str):
        return repr(value)
    raise AnalysisError(
        f"a {type(value).__name__} cannot be written as Python; record how it is made"
    )


def flat(written: str | Group) -> str:
    """On one line, however long."""
    if isinstance(written, str):
        return written
    inside = ", ".join(prefix + flat(item) for prefix, item in written.items)
    return written.before + inside + written.after


def layout(written: str | Group, indent: int, used: int) -> str:
    """Over several lines where one would be too long.

    Args:
      indent: columns before the line.
      used: columns that stand in it already, and after it.
    """
    one = flat(written)
    if isinstance(written, str) or indent + used + len(one) <= _WIDTH or not written.items:
        return one
    deeper = indent + _INDENT
    items = [
        " " * deeper + prefix + layout(item, deeper, len(prefix) + 1) + ","
        for prefix, item in written.items
    ]
    return "\n".join([written.before, *items, " " * indent + written.after.lstrip(",")])
