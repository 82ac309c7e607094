"""The same pair's routing at many steps of training, side by side."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from jaxtyping import Integer

from app.components import Packed, define
from app.components.channel import tell
from app.components.routing.packing import COARSE, FINE
from app.components.routing.payload import all_looks, direction, grids, pictures_of
from limoe_core.trace import IMAGE, TEXT, RoutingTrace

_STRIP = define(
    "training",
    Path(__file__).parent,
    scripts=(
        "../channel/listening", "../routing/dom", "../routing/unpacking", "../routing/miniature",
        "training",
    ),
)  # fmt: skip
#: Of a pair with more first choices than this, over all steps and layers, one layer is sent.
MOST_CHOICES = 100_000


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

    _STRIP(key=key, data={"channel": key}, on_pick_change=picked)
    tell(key, {**strip_of(traces, layer), "current": current, "layer": layer})


def strip_of(traces: Mapping[int, RoutingTrace], layer: int) -> dict[str, Any]:
    """JSON-ready data of the strip, but for what is in view.

    Args:
      layer: number of the layer in view, the only one that is sent of very many choices.
    """
    first = next(iter(traces.values()))
    # (S, L, T) of S steps, L layers and T tokens.
    chosen = np.stack([trace.expert[:, :, 0] for trace in traces.values()]).astype(np.int64)
    dropped = np.stack([trace.dropped.all(axis=2) for trace in traces.values()])
    said = np.stack([_counts(trace) for trace in traces.values()])
    wide = first.num_experts >= COARSE
    sent = list(range(first.num_layers))
    if chosen.size > MOST_CHOICES:
        sent = np.flatnonzero(first.layers == layer).tolist()
    none, kind = (FINE, np.uint16) if wide else (COARSE, np.uint8)
    still = {
        "pictures": grids(first),
        "direction": direction(str(first.captions[0])),
        "layers": first.layers.tolist(),
        "looks": all_looks(first.num_experts),
        "wide": wide,
        "picture": Packed.of(pictures_of(first).astype(np.int16)),
        "at": Packed.of(first.position.astype(np.uint32)),
        "steps": list(traces),
    }
    digest = hashlib.sha1(json.dumps(still).encode(), usedforsecurity=False)
    for array in (chosen, dropped, said):
        digest.update(array.tobytes())
    return {
        **still,
        "id": digest.hexdigest(),
        "large": len(sent) < first.num_layers,
        "sent": sent,
        "expert": Packed.of(np.where(chosen < 0, none, chosen)[:, sent].astype(kind)),
        "dropped": Packed.of(dropped[:, sent].astype(np.uint8)),
        "said": Packed.of(said[:, sent].astype(np.uint32)),
    }


def _counts(trace: RoutingTrace) -> Integer[np.ndarray, "L 4"]:
    """Of each layer: experts that patches chose, and pieces, choices dropped, and choices."""
    layers = trace.num_layers
    dropped = trace.dropped.reshape(layers, -1)
    counts = [_used(trace, IMAGE), _used(trace, TEXT), dropped.sum(axis=1)]
    return np.stack([*counts, np.full(layers, dropped.shape[1])], axis=1).astype(np.int64)


def _used(trace: RoutingTrace, modality: int) -> Integer[np.ndarray, " L"]:
    """How many experts the tokens of a modality chose in each layer."""
    chosen = trace.expert[:, trace.modality == modality].reshape(trace.num_layers, -1)
    # One column more, the first, for tokens that a router left alone (-1).
    used = np.zeros((trace.num_layers, trace.num_experts + 1), bool)
    np.put_along_axis(used, chosen.astype(np.int64) + 1, True, axis=1)
    return used[:, 1:].sum(axis=1)
