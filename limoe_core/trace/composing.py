"""The fields of a trace that follow from others, for whoever knows only what a model gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from limoe_core.trace import checks
from limoe_core.trace.parts import IMAGE, MODALITIES, OTHER, TEXT, Pictures, TraceError


def fields(
    expert: np.ndarray, pair: np.ndarray, kind: Sequence[str], captions: Sequence[str]
) -> dict[str, Any]:
    """The least that makes a trace: its tokens with their kinds by name, and the texts of pairs."""
    names = list(map(str, kind))
    kinds = (*MODALITIES, *sorted(set(names) - set(MODALITIES)))
    codes = {name: code for code, name in enumerate(kinds)}
    return {
        "expert": np.asarray(expert),
        "pair": np.asarray(pair, np.int32),
        "kinds": kinds,
        "kind": np.array([codes[name] for name in names], np.uint8),
        "captions": np.array(list(captions), np.str_),
    }


def completed(parts: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with those that follow from them, or that are empty where nothing is known.

    Raises:
      TraceError: parts that others follow from do not fit together.
    """
    kinds, found = parts.get("kinds", MODALITIES), dict(parts)
    tokens, pairs = found["expert"].shape[1], len(found["captions"])
    # Before anything is made for each token: a small file can hold very many of them.
    if tokens > checks.MOST_TOKENS:
        raise TraceError(f"there are {tokens:,} tokens; at most {checks.MOST_TOKENS:,} are read")
    if any(not 0 < len(name) <= checks.LONGEST_KIND for name in kinds):
        raise TraceError(
            f"a name among kinds is not 1 to {checks.LONGEST_KIND} characters: "
            f"{max(kinds, key=len)[:40]!r}"
        )
    kind = found.get("kind")
    if kind is not None:
        found.setdefault("modality", modality_of(kind, kinds))
        found["modality"] = found["modality"].astype(np.uint8)
        if kinds == MODALITIES and np.array_equal(kind, found["modality"]):
            found["kind"] = None
    for name in ("modality", "pair", "kind", "position", "picture", "piece", "box", "offset"):
        if found.get(name) is not None and len(found[name]) != tokens:
            raise TraceError(f"{name} is of {len(found[name])} tokens, and expert of {tokens}")
    found.setdefault("layers", np.arange(1, found["expert"].shape[0] + 1, dtype=np.int32))
    found.setdefault("piece", np.zeros(tokens, "U1"))
    found.setdefault("dropped", np.broadcast_to(np.False_, found["expert"].shape))
    for name in ("probs", "gate"):
        found.setdefault(name, None)
    for name in ("image_size", "grid"):
        found.setdefault(name, 0)
    for name in ("image_embeddings", "text_embeddings"):
        found.setdefault(name, np.zeros((pairs, 0), np.float32))
    if found.get("position") is None:
        found["position"] = _in_order(found)
    if found.get("box") is None:
        found["box"] = boxes_of(found)
    return found


def modality_of(kind: np.ndarray, kinds: Sequence[str]) -> np.ndarray:
    """Modality codes of tokens by the names of their kinds."""
    codes = {MODALITIES[IMAGE]: IMAGE, MODALITIES[TEXT]: TEXT}
    return np.array([codes.get(name, OTHER) for name in kinds], np.uint8)[kind]


def is_of_image(parts: Mapping[str, Any]) -> np.ndarray:
    """Which tokens are patches, whatever they are counted as."""
    kind = parts.get("kind")
    if kind is None:
        return parts["modality"] == IMAGE
    return np.array([name == MODALITIES[IMAGE] for name in parts["kinds"]], bool)[kind]


def boxes_of(parts: Mapping[str, Any]) -> np.ndarray:
    """Boxes by the cells of the grids, as far as places are those of cells."""
    of_image, position = is_of_image(parts), parts["position"]
    pictures: Pictures | None = parts.get("pictures")
    if pictures is None:
        size, grid = parts.get("image_size", 0), parts.get("grid", 0)
        return checks.grid_boxes(of_image, position, size, grid)
    boxes = np.full((len(position), 4), -1, np.int32)
    picture = parts.get("picture")
    if picture is None or len(picture) != len(position):
        raise TraceError("picture is missing, or not one for each token")
    inside = of_image & (picture >= 0) & (picture < len(pictures))
    for name in ("rows", "columns"):
        if np.any(getattr(pictures, name) < 1):
            raise TraceError(f"pictures.{name} holds numbers below 1")
    boxes[inside] = pictures.boxes(picture[inside], position[inside])
    return boxes


def _in_order(parts: Mapping[str, Any]) -> np.ndarray:
    """Places of tokens that a file lists in order: in their pictures, and in their texts."""
    picture = parts.get("picture")
    own = np.where(is_of_image(parts), 0, -1) if picture is None else picture
    group = np.stack([parts["pair"], own]).astype(np.int64)
    _, member, count = np.unique(group, axis=1, return_inverse=True, return_counts=True)
    order = np.argsort(member.reshape(-1), kind="stable")
    places = np.empty(len(order), np.int32)
    start = np.repeat(np.cumsum(count) - count, count)
    places[order] = np.arange(len(order)) - start
    return places
