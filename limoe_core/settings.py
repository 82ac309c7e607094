"""What any settings are made of: bounds, types, and the way from plain values.

A setting's bounds stand in its annotation, so that they hold on a command line, in a `config.json`
and in Python alike: `heads: Annotated[int, Between(1, 1024)] = 4`.
"""

from __future__ import annotations

import dataclasses
import functools
import reprlib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Annotated, Any, Literal

#: Values that older settings spell otherwise, by the name of the setting.
_RENAMED: dict[tuple[str, str | bool], str] = {
    ("expert_layout", "runs"): "segments",
    ("remat", True): "full",
    ("remat", False): "none",
}
#: Longest text of a setting, in characters: as long as a path may be.
_LONGEST_TEXT = 4096


class ConfigError(ValueError):
    """A setting that cannot work, said in words a user can act on."""


@dataclass(frozen=True)
class Between:
    """Bounds of a number, both included. They also keep infinities and NaN out."""

    low: float
    high: float


Share = Annotated[float, Between(0, 1)]
#: A number of things that may be zero, or must be at least one.
Count = Annotated[int, Between(0, 10**9)]
Positive = Annotated[int, Between(1, 10**9)]
#: A factor or a weight that is not negative.
Weight = Annotated[float, Between(0, 10**6)]


def require(condition: bool, message: str) -> None:
    """Raises a `ConfigError` unless the condition holds."""
    if not condition:
        raise ConfigError(message)


def require_bounds(settings: Any, table: str) -> None:
    """Refuses numbers outside of the bounds that their annotations name.

    Args:
      settings: a dataclass.
      table: its name before that of a setting, as in `model.heads`.

    Raises:
      ConfigError: one of them is.
    """
    for name, between in _bounds(type(settings)):  # type: ignore[arg-type]
        value = getattr(settings, name)
        if not between.low <= value <= between.high:
            raise ConfigError(
                f"{table}.{name} must lie between {between.low:,} and {between.high:,}, and is "
                f"{shown(value)}"
            )


@functools.cache
def _bounds(settings: type) -> tuple[tuple[str, Between], ...]:
    return tuple(
        (name, extra)
        for name, hint in typing.get_type_hints(settings, include_extras=True).items()
        for extra in getattr(hint, "__metadata__", ())
        if isinstance(extra, Between)
    )


def build(settings: type, values: Any, where: str) -> Any:
    """A dataclass of settings, nested as its annotations say, from plain values.

    Args:
      where: name of the settings in a message.

    Raises:
      ConfigError: a setting is unknown, of another type, or cannot work.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where}: expected a table of settings, found {type(values).__name__}")
    hints = _hints(settings)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        names = ", ".join(map(_name, unknown[:3])) + (" and others" if len(unknown) > 3 else "")
        raise ConfigError(f"{where}: unknown setting {names}; it may come from a newer version")
    built = {}
    for name, value in values.items():
        hint = hints[name]
        if hint.table is not None:
            built[name] = build(hint.table, value, f"{where}.{name}")
        elif type(value) is hint.plain and _needs_no_check(value):
            built[name] = value
        else:
            if isinstance(value, str | bool):
                value = _RENAMED.get((name, value), value)
            built[name] = _check(hint.annotation, value, f"{where}.{name}")
    return settings(**built)


@dataclass(frozen=True)
class _Hint:
    """What a setting must be, sorted out once: thousands of runs may be listed at a time."""

    annotation: Any
    table: type | None
    """The dataclass of a table of settings."""
    plain: type | None
    """The type, where a single one stands in the annotation."""


def _needs_no_check(value: Any) -> bool:
    return type(value) is int or type(value) is bool or (type(value) is float and isfinite(value))


@functools.cache
def _hints(settings: type) -> dict[str, _Hint]:
    return {
        name: _Hint(
            annotation,
            table=typing.cast(type, annotation) if dataclasses.is_dataclass(annotation) else None,
            plain=annotation if isinstance(annotation, type) else None,
        )
        for name, annotation in typing.get_type_hints(settings).items()
    }


def _check(hint: Any, value: Any, path: str) -> Any:
    """`value` if it is of the annotated type `hint`, else a ConfigError that names it."""
    origin = typing.get_origin(hint)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{path}: expected a list, found {shown(value)}")
        return tuple(_check(typing.get_args(hint)[0], part, path) for part in value)
    if origin is Literal:
        allowed: tuple[Any, ...] = typing.get_args(hint)
        good = value in allowed
        wanted = " or ".join(map(repr, allowed))
    else:
        kinds = typing.get_args(hint) if origin is types.UnionType else (hint,)
        if float in kinds and type(value) is int:
            value = _as_float(value, path)
        good = type(value) in kinds
        wanted = " or ".join(kind.__name__ for kind in kinds)
    if not good:
        raise ConfigError(f"{path}: expected {wanted}, found {shown(value)}")
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        raise ConfigError(f"{path}: a text of {len(value):,} characters is too long")
    if isinstance(value, float) and not isfinite(value):
        raise ConfigError(f"{path}: {value!r} is not a finite number")
    return value


def _as_float(value: int, path: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ConfigError(f"{path}: the number is too large") from None


def shown(value: Any) -> str:
    """A value as it may stand in a message, however large it is."""
    if isinstance(value, int) and abs(value) >= 10**30:
        return "a number of more than 30 digits"
    return reprlib.repr(value)


def _name(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"
