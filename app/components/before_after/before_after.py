"""One pair's routing before and after a change, in all layers side by side."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from analysis.colours import expert_colour, expert_label, text_colour
from app.components import define
from app.components.routing.payload import direction
from limoe_core.trace import RoutingTrace

_BOTH = define("before_after", Path(__file__).parent, scripts=("../routing/dom", "before_after"))


def before_after(
    before: RoutingTrace,
    after: RoutingTrace,
    *,
    names: Sequence[str],
    picked: int | None,
    on_pick: Callable[[int], None],
    key: str,
) -> None:
    """Draws the tokens of a pair, before above after, for each layer.

    Args:
      before, after: traces of the same one pair.
      names: of its tokens, in words.
      picked: the token to mark.
      on_pick: called with the token that was clicked, before the script runs again.
    """

    def clicked() -> None:
        token = st.session_state[key].get("pick")
        if isinstance(token, int) and 0 <= token < before.num_tokens:
            on_pick(token)

    moved = (np.sort(before.expert, axis=-1) != np.sort(after.expert, axis=-1)).any(axis=-1)
    data: dict[str, Any] = {
        "key": "Each square is a patch or, below, a piece of the text, with the number of its "
        "first-choice expert. A thick edge: routed otherwise than before. A dashed one: dropped. "
        "Click a token to try its other routes.",
        "columns": before.grid,
        "direction": direction(str(before.captions[0])),
        "layers": before.layers.tolist(),
        "experts": [
            {
                "label": expert_label(e),
                "number": str(e),
                "colour": colour,
                "ink": text_colour(colour),
            }
            for e, colour in enumerate(map(expert_colour, range(before.num_experts)))
        ],
        "tokens": [
            {"m": int(modality), "at": int(position)}
            for modality, position in zip(before.modality, before.position, strict=True)
        ],
        "names": list(names),
        "moved": moved.astype(int).tolist(),
        "before": _state(before),
        "after": _state(after),
    }
    data["id"] = hashlib.sha1(json.dumps(data).encode(), usedforsecurity=False).hexdigest()
    _BOTH(key=key, data={**data, "picked": picked}, on_pick_change=clicked)


def _state(trace: RoutingTrace) -> dict[str, Any]:
    return {
        "expert": trace.expert[:, :, 0].tolist(),
        "dropped": trace.dropped.all(axis=2).astype(int).tolist(),
    }
