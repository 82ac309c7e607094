"""The same pair's routing at many steps of training, side by side."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from app.components import define
from app.components.routing.payload import direction, grids, looks, pictures_of
from limoe_core.trace import IMAGE, TEXT, RoutingTrace

_STRIP = define(
    "training",
    Path(__file__).parent,
    scripts=("../routing/dom", "../routing/miniature", "training"),
)


def training_strip(
    traces: Mapping[int, RoutingTrace],
    *,
    current: int,
    layer: int,
    on_pick: Callable[[int], None],
    key: str,
) -> None:
    """Draws one small picture for each step, of the layer that the routing view shows.

    Args:
      traces: traces of the same one pair, by step.
      current: the step to mark.
      layer: block number to begin with; later the routing view on the page decides.
      on_pick: called with the step that was clicked, before the script runs again.
    """

    def picked() -> None:
        step = st.session_state[key].get("pick")
        if step in traces:
            on_pick(step)

    first = next(iter(traces.values()))
    data: dict[str, Any] = {
        "pictures": grids(first),
        "direction": direction(str(first.captions[0])),
        "layers": first.layers.tolist(),
        "experts": [looks(e) for e in range(first.num_experts)],
        "tokens": [
            {"m": int(modality), "at": int(position), "p": int(picture)}
            for modality, position, picture in zip(
                first.modality, first.position, pictures_of(first), strict=True
            )
        ],
        "steps": [
            {
                "step": step,
                "expert": trace.expert[:, :, 0].tolist(),
                "dropped": trace.dropped.all(axis=2).astype(int).tolist(),
                "said": _counts(trace),
            }
            for step, trace in traces.items()
        ],
    }
    data["id"] = hashlib.sha1(json.dumps(data).encode(), usedforsecurity=False).hexdigest()
    _STRIP(key=key, data={**data, "current": current, "layer": layer}, on_pick_change=picked)


def _counts(trace: RoutingTrace) -> list[list[int]]:
    """Of each layer: experts that patches chose, and pieces, choices dropped, and choices."""
    return [
        [
            *(len(np.unique(chosen[trace.modality == modality])) for modality in (IMAGE, TEXT)),
            int(dropped.sum()),
            dropped.size,
        ]
        for chosen, dropped in zip(trace.expert, trace.dropped, strict=True)
    ]
