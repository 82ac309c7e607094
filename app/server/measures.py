"""Measures of probe traces, taken once per server for each run, step and question."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import streamlit as st

from app.server import runs
from limoe_core.runs import Run
from limoe_core.trace import RoutingTrace

T = TypeVar("T")


def of_probe(measure: Callable[..., T], run: Run, step: int, *options: Any) -> T:
    """`measure(trace, *options)` of a step's probe trace, from the cache where it is known.

    Args:
      measure: a named function of a module, so that its name says what was measured.
      options: plain values.

    Raises:
      RunError: there is no such trace, or it is damaged.
    """
    name = f"{measure.__module__}.{measure.__qualname__}"
    return cast(
        T, _of_probe(run, measure, str(run.path), step, run.stamp("probe", step), name, options)
    )


@st.cache_data(max_entries=4096, show_spinner=False)
def _of_probe(
    _run: Run,
    _measure: Callable[..., Any],
    path: str,
    step: int,
    changed: tuple[int, int],
    name: str,
    options: tuple[Any, ...],
) -> Any:
    return _measure(trace(_run, step), *options)


def trace(run: Run, step: int) -> RoutingTrace:
    """The probe trace of a step, from the server's memory where it is there."""
    return runs.probe(run, step)
