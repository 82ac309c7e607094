"""A trace as arrays and a header, and how they are written to one .npz file.

`docs/trace-format.md` describes the file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from limoe_core.files import replacing
from limoe_core.trace.composing import boxes_of, modality_of
from limoe_core.trace.parts import Pictures, Routers, TraceError

#: The format that is written, and the newest that is read.
FORMAT = 2

TABLE = ("pair", "rows", "columns", "width", "height")
ARRAYS = (
    "modality", "pair", "position", "piece", "box", "probs", "expert", "gate", "dropped",
    "captions", "image_embeddings", "text_embeddings", "hidden", "kind", "picture", "prompts",
    "offset", "score", "score_expert",
)  # fmt: skip


def header(trace: Any) -> dict[str, Any]:
    """What is said of a trace besides its arrays, as JSON has it."""
    routers: Routers | None = trace.routers
    known: dict[str, Any] = {} if routers is None else {"scaling": float(routers.scaling)}
    if routers is not None and routers.capacity_factor is not None:
        known["capacity_factor"] = float(routers.capacity_factor)
    if trace.grid:
        known |= {"image_size": int(trace.image_size), "grid": int(trace.grid)}
    return {
        "format": FORMAT,
        "kinds": list(trace.kinds),
        "routers": [
            {"number": int(number), "name": name, "experts": int(experts)}
            for number, name, experts in zip(trace.layers, trace.names, trace.experts, strict=True)
        ],
        "scoring": trace.scoring,
        "scaling": 1.0,
        **known,
        "made_by": {str(key): str(value) for key, value in trace.made_by.items()},
    }


def arrays(trace: Any) -> dict[str, np.ndarray]:
    """Every array of the trace by the name that it has in the file."""
    found = {name: getattr(trace, name) for name in ARRAYS}
    if trace.routers is not None:
        found |= {"reachable": trace.routers.reachable, "bias": trace.routers.bias}
    if trace.pictures is not None:
        found |= {f"pictures.{name}": getattr(trace.pictures, name) for name in TABLE}
        if content := trace.pictures.content:
            found["pictures.end"] = np.cumsum([len(each) for each in content])
            found["pictures.bytes"] = np.frombuffer(b"".join(content), np.uint8)
    found |= {f"meta.{key}": values for key, values in trace.meta.items()}
    return {name: array for name, array in found.items() if array is not None}


def write(
    path: Path, said: dict[str, Any], found: dict[str, np.ndarray], gate_steps: int | None
) -> None:
    """Writes `header` and `arrays` of a trace, without what follows from the rest.

    Raises:
      TraceError: gates are asked for in too few or too many steps.
    """
    kept = dict(found)
    modality = kept.pop("modality")
    kinds = tuple(said["kinds"])
    kept.setdefault("kind", modality)
    if not np.array_equal(modality, modality_of(kept["kind"], kinds)):
        kept["modality"] = modality
    table: dict[str, Any] = {n: kept[f"pictures.{n}"] for n in TABLE if f"pictures.{n}" in kept}
    pictures = Pictures(**table) if table else None
    placed = {**kept, **said, "kinds": kinds, "pictures": pictures}
    if np.array_equal(kept["box"], boxes_of(placed)):
        del kept["box"]
    if not kept["dropped"].any():
        del kept["dropped"]
    for name in ("image_embeddings", "text_embeddings"):
        if not kept[name].shape[1]:
            del kept[name]
    kept["expert"] = _narrow(kept["expert"])
    if gate_steps is not None and "gate" in kept:
        if not 15 <= gate_steps < 2**16:
            raise TraceError(f"gates are kept in 15 to 65,535 steps, not in {gate_steps}")
        steps = np.round(kept["gate"].astype(np.float64) / said["scaling"] * gate_steps)
        kept["gate"] = _narrow(steps.clip(0, gate_steps).astype(np.int64))
        said = {**said, "gate_steps": gate_steps}
    # An open file, since savez would add a suffix to a path without one.
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, header=np.array(json.dumps(said)), **kept)  # type: ignore[arg-type]


def _narrow(values: np.ndarray) -> np.ndarray:
    """Whole numbers in the narrowest type that holds them."""
    least, most = int(values.min(initial=0)), int(values.max(initial=0))
    kind = (
        np.min_scalar_type(most)
        if least >= 0
        else np.promote_types(np.min_scalar_type(least), np.min_scalar_type(-most - 1))
    )
    return values.astype(kind)
