"""JSON data for the routing view: everything about one pair."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Integer

from analysis.colours import expert_colour, expert_label, expert_pattern, text_colour
from app.components import Packed
from app.components.routing.group import Group
from app.components.routing.packing import first_choices, of_layers
from limoe_core.trace import RoutingTrace

#: A pair of more choices than this, over all layers, is sent layer by layer.
MOST_CHOICES = 50_000


@dataclass(frozen=True)
class Shown:
    """A picture of the pair with the grid of its patches."""

    src: str | None
    """The model's input as a data address; None where the run keeps none."""
    rows: int
    columns: int
    width: int
    height: int
    sharp: str | None = None
    """The same picture at a higher resolution, if there is one."""


def payload(
    trace: RoutingTrace,
    group: Group,
    *,
    title: str,
    file: str,
    picture: str | None,
    sharp: str | None = None,
    pictures: Sequence[Shown] | None = None,
    note: str = "",
    name: str = "",
    layer: int | None = None,
    every_layer: bool = False,
) -> dict[str, Any]:
    """JSON-ready data of a trace of one pair.

    Args:
      group: what the pair was routed with.
      title: names the view in exported figures.
      file: name of exported files, without layer and extension.
      picture: the model's input as a data address; None if the pair has no picture.
      sharp: the same picture at a higher resolution, if there is one.
      pictures: instead of both, where the trace has a table of pictures: one for each.
      note: a sentence under the text.
      name: names the picture in exported figures.
      layer: number of the layer in view, the only one that is sent of a large trace.
      every_layer: send the first choices in all layers of a large trace too.

    Raises:
      ValueError: the trace is not of one pair.
    """
    if trace.num_pairs != 1:
        raise ValueError(f"payload: a trace of one pair is wanted, not of {trace.num_pairs}")
    caption = str(trace.captions[0])
    if pictures is None:
        pictures = [] if picture is None else [_square(trace, picture, sharp)]
    still: dict[str, Any] = {
        "title": title,
        "file": file,
        "pictures": [asdict(each) for each in pictures],
        "caption": caption,
        "name": name,
        "direction": direction(caption),
        "note": note,
        "layers": [int(number) for number in trace.layers],
        "names": list(trace.names),
        "looks": all_looks(trace.num_experts),
        "counts": trace.experts.tolist(),
        "choices": trace.top_k,
        "scaling": 1.0 if trace.routers is None else trace.routers.scaling,
        "tokens": _tokens(trace),
        "group": {"sentence": group.sentence, "capacity": group.capacity, "tokens": group.tokens},
    }
    still["pair"] = _digest(still, trace)
    large = trace.expert.size > MOST_CHOICES
    sent = list(range(trace.num_layers))
    if large:
        sent = sent[-1:] if layer is None else np.flatnonzero(trace.layers == layer).tolist()
    data = {
        **still,
        "large": large,
        "routed": {**of_layers(trace, sent, fine=not large), "load": group.load[sent].tolist()},
        "firsts": first_choices(trace) if large and every_layer else None,
    }
    data["id"] = f"{still['pair']}-{'-'.join(map(str, sent))}-{data['firsts'] is not None}"
    return data


def _square(trace: RoutingTrace, src: str, sharp: str | None) -> Shown:
    return Shown(src, trace.grid, trace.grid, trace.image_size, trace.image_size, sharp)


def _tokens(trace: RoutingTrace) -> dict[str, Any]:
    """What and where each token is, in columns."""
    picture = pictures_of(trace)
    kind = trace.modality if trace.kind is None else trace.kind
    return {
        "count": trace.num_tokens,
        "kinds": list(trace.kinds),
        "kind": Packed.of(kind.astype(np.uint8)),
        "m": Packed.of(trace.modality.astype(np.uint8)),
        "picture": Packed.of(picture.astype(np.int16)),
        "at": Packed.of(trace.position.astype(np.uint32)),
        "pieces": [str(piece) for piece in trace.piece[picture < 0]],
    }


def pictures_of(trace: RoutingTrace) -> Integer[np.ndarray, " T"]:
    """The picture of each token of one pair; -1 for tokens of none."""
    if trace.picture is not None:
        return trace.picture
    return np.where(trace.token_kinds == "image", 0, -1)


def grids(trace: RoutingTrace) -> list[dict[str, int]]:
    """Rows and columns of each picture of one pair."""
    if trace.pictures is None:
        return [{"rows": trace.grid, "columns": trace.grid}] if trace.grid else []
    sides = zip(trace.pictures.rows.tolist(), trace.pictures.columns.tolist(), strict=True)
    return [{"rows": rows, "columns": columns} for rows, columns in sides]


def _digest(still: dict[str, Any], trace: RoutingTrace) -> str:
    found = hashlib.sha1(json.dumps(still).encode(), usedforsecurity=False)
    for array in (trace.expert, trace.gate, trace.probs, trace.dropped):
        found.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def looks(expert: int) -> dict[str, str]:
    """Name, colour, pattern, and the colour of writing on it."""
    colour = expert_colour(expert)
    return {
        "label": expert_label(expert),
        "colour": colour,
        "ink": text_colour(colour),
        "pattern": expert_pattern(expert),
    }


def all_looks(experts: int) -> Packed:
    """`looks` of every expert but for names: of very many these would be half of all."""
    return Packed.json([list(looks(expert).values())[1:] for expert in range(experts)])


def direction(text: str) -> str:
    """ "rtl" if the first letter that has a direction is written from the right, else "ltr"."""
    for letter in text:
        kind = unicodedata.bidirectional(letter)
        if kind in {"R", "AL"}:
            return "rtl"
        if kind == "L":
            return "ltr"
    return "ltr"
