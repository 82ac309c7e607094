"""Arguments of the public functions, checked before any work; errors are sentences."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from analysis.errors import AnalysisError
from limoe_core.trace import RoutingTrace


def check_trace(trace: Any) -> None:
    """Looks whether this is a trace.

    Raises:
      AnalysisError: it is something else.
    """
    if not isinstance(trace, RoutingTrace):
        raise AnalysisError(
            f"this needs a RoutingTrace, as model.trace and run.probe(step) give one, not "
            f"{_kind(trace)}"
        )


def check_traces(traces: Any) -> None:
    """Looks whether these are traces by step, at least one.

    Raises:
      AnalysisError: they are not.
    """
    if not isinstance(traces, Mapping):
        raise AnalysisError(
            f"this needs a dict of traces by step, as analysis.probe_traces gives one, not "
            f"{_kind(traces)}"
        )
    if not traces:
        raise AnalysisError("this needs at least one probe trace; the run has none yet")
    for trace in traces.values():
        check_trace(trace)


def check_count(value: Any, name: str, least: int = 1) -> None:
    """Looks whether a number is whole and not too small.

    Raises:
      AnalysisError: it is not.
    """
    try:
        if isinstance(value, bool) or operator.index(value) < least:
            raise TypeError
    except TypeError:
        raise AnalysisError(
            f"{name} must be a whole number of at least {least}, not {value!r}"
        ) from None


def check_share(value: Any, name: str, *, inside: bool = False) -> None:
    """Looks whether a number is from 0 to 1.

    Args:
      inside: whether 0 and 1 themselves are too little and too much.

    Raises:
      AnalysisError: it is not.
    """
    number = math.nan if isinstance(value, str | None) else float(value)
    if not (0 < number < 1 if inside else 0 <= number <= 1):
        raise AnalysisError(f"{name} must be between 0 and 1, not {value!r}")


def check_expert(trace: RoutingTrace, expert: Any) -> None:
    """Looks whether a trace has this expert.

    Raises:
      AnalysisError: it has not.
    """
    check_count(expert, "expert", 0)
    if expert >= trace.num_experts:
        raise AnalysisError(f"there is no expert {expert}; they are 0 to {trace.num_experts - 1}")


def counts_by_modality(counts: Any) -> np.ndarray:
    """Numbers of tokens by modality and expert, (…, 2, E).

    Raises:
      AnalysisError: they have another shape, or are no numbers from 0 on.
    """
    values = np.asarray(counts)
    good = values.ndim >= 2 and values.shape[-2] == 2 and values.dtype.kind in "biuf"
    if not good or not (values >= 0).all():
        raise AnalysisError(
            "counts must be numbers of tokens from 0 on, of the shape (…, 2, experts) with image "
            f"tokens before text tokens, not {values.dtype} of {values.shape}"
        )
    return values


def check_pairs(images: Sequence[Any], texts: Sequence[str]) -> None:
    """Looks whether there are as many pictures as texts.

    Raises:
      AnalysisError: there are not, or the texts are a single one.
    """
    if isinstance(texts, str):
        raise AnalysisError(f"texts must be a list of texts, not the text {texts[:60]!r}")
    if len(images) != len(texts):
        raise AnalysisError(f"there are {len(images)} pictures but {len(texts)} texts")


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
