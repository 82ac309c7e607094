"""What the routing view makes of its data, unpacked as its JavaScript does."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np


def numbers(packed: str, kind: str) -> np.ndarray:
    """The array behind deflated bytes in base64."""
    return np.frombuffer(zlib.decompress(base64.b64decode(packed)), np.dtype(kind))


def unpacked(data: dict[str, Any]) -> dict[str, Any]:
    """The data with lists of numbers by layer, token and choice, as far as they were sent."""
    tokens, routed = data["tokens"], data["routed"]
    count, layers = tokens["count"], len(routed["layers"])
    shape = (layers, count, data["choices"])
    none = 65_535 if routed["wide"] else 255
    expert = numbers(routed["expert"], "<u2" if routed["wide"] else "u1").astype(int).reshape(shape)
    found: dict[str, Any] = {"expert": np.where(expert == none, -1, expert).tolist()}
    if routed["gate"]:
        kind = "<u2" if routed["steps"] > 255 else "u1"
        shares = numbers(routed["gate"], kind) / routed["steps"]
        found["gate"] = (shares * data["scaling"]).reshape(shape).tolist()
    dropped = routed["dropped"]
    lost = numbers(dropped, "u1") if dropped else np.zeros(expert.size, np.uint8)
    found["dropped"] = lost.reshape(shape).tolist()
    if routed["scores"]:
        scores = numbers(routed["scores"], "<u2") / 65_535
        found["probs"] = scores.reshape(layers, count, -1).tolist()
    pictures = numbers(tokens["picture"], "<i2").tolist()
    pieces = iter(tokens["pieces"])
    found["tokens"] = [
        {"m": m, "p": p, "at": at, "piece": "" if p >= 0 else next(pieces)}
        for m, p, at in zip(
            numbers(tokens["m"], "u1").tolist(),
            pictures,
            numbers(tokens["at"], "<u4").tolist(),
            strict=True,
        )
    ]
    return {**data, **found, "load": routed["load"]}
