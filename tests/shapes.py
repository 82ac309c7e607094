"""Shapes and dtypes in signatures, checked at every call while tests run.

Only what names an array (`Float[Array, "n d"]`) is checked: mypy checks all other types, and
without it a protocol or a forward reference need not be made for a check at run time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, get_args

import jaxtyping
from beartype import beartype

Checked = TypeVar("Checked", bound=Callable[..., Any])

PACKAGES = ("limoe_core", "analysis")


def check_from_now_on() -> None:
    """Check what the modules of `PACKAGES` declare, in each that is imported after this."""
    jaxtyping.install_import_hook(PACKAGES, f"{__name__}.check")


def check(function: Checked) -> Checked:
    """Let beartype check those parameters and results of `function` that are arrays."""
    annotations = function.__annotations__
    arrays = {name: hint for name, hint in annotations.items() if names_an_array(hint)}
    if not arrays:
        return function
    function.__annotations__ = {name: arrays.get(name, Any) for name in annotations}
    return beartype(function)


def names_an_array(hint: Any) -> bool:
    """Whether a shape is declared in `hint`: of itself, or of what it holds."""
    if isinstance(hint, list):  # the parameters of a callable
        return any(map(names_an_array, hint))
    if isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray):
        return True
    return any(map(names_an_array, get_args(hint)))
