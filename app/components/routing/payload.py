"""JSON data for the routing view: everything about one pair."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from typing import Any

from analysis.colours import expert_colour, expert_label, expert_pattern, text_colour
from app.components.routing.group import Group
from limoe_core.trace import RoutingTrace


def payload(
    trace: RoutingTrace,
    group: Group,
    *,
    title: str,
    file: str,
    picture: str | None,
    sharp: str | None = None,
    note: str = "",
    name: str = "",
) -> dict[str, Any]:
    """JSON-ready data of a trace of one pair.

    Args:
      group: what the pair was routed with.
      title: names the view in exported figures.
      file: name of exported files, without layer and extension.
      picture: the model's input as a data address; None if the pair has no picture.
      sharp: the same picture at a higher resolution, if there is one.
      note: a sentence under the text.
      name: names the picture in exported figures.

    Raises:
      ValueError: the trace is not of one pair.
    """
    if trace.num_pairs != 1:
        raise ValueError(f"payload: a trace of one pair is wanted, not of {trace.num_pairs}")
    caption = str(trace.captions[0])
    data: dict[str, Any] = {
        "title": title,
        "file": file,
        "picture": None if picture is None else {"src": picture, "sharp": sharp},
        "caption": caption,
        "name": name,
        "direction": direction(caption),
        "note": note,
        "grid": trace.grid,
        "layers": [int(block) for block in trace.layers],
        "experts": [looks(expert) for expert in range(trace.num_experts)],
        "tokens": [
            {"m": int(modality), "at": int(position), "piece": str(piece)}
            for modality, position, piece in zip(
                trace.modality, trace.position, trace.piece, strict=True
            )
        ],
        "probs": trace.probs.astype(float).round(4).tolist(),
        "expert": trace.expert.tolist(),
        "gate": trace.gate.astype(float).round(4).tolist(),
        "dropped": trace.dropped.astype(int).tolist(),
        "group": {
            "sentence": group.sentence,
            "capacity": group.capacity,
            "tokens": group.tokens,
            "load": group.load.tolist(),
        },
    }
    data["id"] = hashlib.sha1(json.dumps(data).encode(), usedforsecurity=False).hexdigest()
    return data


def looks(expert: int) -> dict[str, str]:
    """Name, colour, pattern, and the colour of writing on it."""
    colour = expert_colour(expert)
    return {
        "label": expert_label(expert),
        "colour": colour,
        "ink": text_colour(colour),
        "pattern": expert_pattern(expert),
    }


def direction(text: str) -> str:
    """ "rtl" if the first letter that has a direction is written from the right, else "ltr"."""
    for letter in text:
        kind = unicodedata.bidirectional(letter)
        if kind in {"R", "AL"}:
            return "rtl"
        if kind == "L":
            return "ltr"
    return "ltr"
