"""Names of routers in figures of models that have several in a block, or blocks by other names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from analysis.figures.style import escape

_BLOCK = re.compile(r"\bblock (\d+)\b")
_LONGEST = 40


def name_layers(figure: go.Figure, names: Mapping[int, str]) -> go.Figure:
    """The figure with its layers called by the names of their routers.

    Figures call the layer of number 3 "block 3", which is what it is in a model of this project. In
    traces of others the number counts routers: see `Run.routers`.

    Args:
      names: of routers, by the number that they have in traces. Numbers without one stay.
    """

    def called(match: re.Match[str]) -> str:
        name = names.get(int(match[1]))
        if name is None:
            return match[0]
        return escape(name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…")

    def written(value: Any) -> Any:
        if isinstance(value, str):
            return _BLOCK.sub(called, value)
        if isinstance(value, Mapping):
            return {key: written(each) for key, each in value.items()}
        if isinstance(value, list | tuple) or (
            isinstance(value, np.ndarray) and value.dtype.kind in "OU"
        ):
            return [written(each) for each in value]
        return value

    return go.Figure(written(figure.to_plotly_json()))
