"""Shapes and dtypes in signatures, checked at every call while tests run.

Only what names an array (`Float[Array, "n d"]`) is checked: mypy checks all other types, and
without it a protocol or a forward reference need not be made for a check at run time.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, UnionType
from typing import Any, TypeVar, get_args

import jaxtyping
import numpy as np
from beartype import beartype

Checked = TypeVar("Checked", bound=Callable[..., Any])

PACKAGES = ("limoe_core", "analysis")


def check_from_now_on() -> None:
    """Check what the modules of `PACKAGES` declare, in each that is imported after this.

    The hook decorates every function, at its definition, and binds its arguments anew in every
    call: most functions declare no shape, and small ones would take many times as long.
    """
    jaxtyping.jaxtyped = where_declared(jaxtyping.jaxtyped)
    jaxtyping.install_import_hook(PACKAGES, f"{__name__}.check")


def where_declared(decorator: Callable[..., Any]) -> Callable[..., Any]:
    """`jaxtyping.jaxtyped` for functions and dataclasses that declare a shape; others stay."""

    def decorate(thing: Any = None, **options: Any) -> Any:
        if thing is None:
            return functools.partial(decorate, **options)
        return decorator(thing, **options) if declares_a_shape(thing) else thing

    return decorate


_declaring: dict[tuple[str, CodeType], bool] = {}
"""Functions that were defined before: those within others are at every call of these."""


def declares_a_shape(thing: Any) -> bool:
    """Whether a function names an array in its signature, or a dataclass among its fields."""
    if isinstance(thing, type):
        if not dataclasses.is_dataclass(thing):
            return False
        names = vars(sys.modules[thing.__module__])
        return any(names_an_array(read(field.type, names)) for field in dataclasses.fields(thing))
    key = thing.__module__, thing.__code__
    if key not in _declaring:
        hints = thing.__annotations__.values()
        _declaring[key] = any(names_an_array(read(hint, thing.__globals__)) for hint in hints)
    return _declaring[key]


def read(hint: Any, names: dict[str, Any]) -> Any:
    """What an annotation stands for; Any if a name in it exists for mypy alone, as for the hook."""
    if not isinstance(hint, str):
        return hint
    try:
        return eval(hint, names)
    except Exception:
        return Any


@contextmanager
def unchecked() -> Iterator[None]:
    """Check nothing for a while."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def check(function: Checked) -> Checked:
    """Let beartype check those parameters and results of `function` that are arrays."""
    annotations = function.__annotations__
    if not any(map(names_an_array, annotations.values())):
        return function
    function.__annotations__ = {
        name: Any if not names_an_array(hint) else hint if name == "return" else or_numpy(hint)
        for name, hint in annotations.items()
    }
    return beartype(function)


def names_an_array(hint: Any) -> bool:
    """Whether a shape is declared in `hint`: of itself, or of what it holds."""
    if isinstance(hint, list):  # the parameters of a callable
        return any(map(names_an_array, hint))
    return is_an_array(hint) or any(map(names_an_array, get_args(hint)))


def is_an_array(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray)


def or_numpy(hint: Any) -> Any:
    """`hint`, or numpy's array of the same shape where it asks for JAX's: JAX takes both."""
    if isinstance(hint, UnionType):
        return functools.reduce(operator.or_, map(or_numpy, get_args(hint)))
    if is_an_array(hint) and hint.array_type is jax_array():
        return hint | hint.dtype[np.ndarray, hint.dim_str]
    return hint


def jax_array() -> type:
    import jax  # the settings of the tests must come before it

    return jax.Array
