"""A map's points in few bytes: one message of a header and of arrays."""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer, UInt8
from PIL import Image

from analysis.figures.embeddings import coloured_values, value_names
from app.components import as_text
from app.parts import messages

#: Code of a point that has no value of a label; colours are fewer.
_NONE = 33
#: Side of a picture shown on hovering, in pixels, by how many there are at most; beyond that, none.
_SIDES = {1024: 48, 4096: 24}
#: Longest name of a point.
_LONGEST = 80


@dataclass(frozen=True, eq=False)
class Cloud:
    """What is drawn: n points."""

    frame: pd.DataFrame
    """`analysis.map_frame`, with the columns of `analysis.Points.known`."""
    labels: Sequence[str]
    """Columns to colour by, the first by default."""
    ids: Sequence[str]
    """Names of the points in the address bar."""
    fit: str
    """What the map was fitted on: while it stays, the view stays where it is."""
    axes: tuple[str, str]
    kinds: tuple[tuple[str, str], tuple[str, str]]
    """What one point of each modality is called, and several: "picture", "pictures"."""
    pictures: UInt8[np.ndarray, "p side side 3"] | None = None
    """Of the pairs, by their numbers."""
    extent: Float[np.ndarray, "2 2"] | None = None
    """The lower left and upper right corner of the map; by default those of the points."""
    own: Sequence[int] = field(default_factory=tuple)
    """Places of the reader's own points, which are drawn larger."""


@dataclass(frozen=True)
class Packed:
    """Points as they are sent."""

    id: str
    count: int
    message: bytes


def packed(cloud: Cloud) -> Packed:
    """The message: length of the header (uint32), the header as JSON, and the arrays, each from a
    multiple of four bytes on. Little-endian throughout.

    Positions take four bytes a point, and each label one. Texts are shortened and made visible.
    """
    frame = cloud.frame
    arrays: dict[str, bytes] = {
        "places": _quantised(cloud).tobytes(),
        "kinds": (frame["modality"] == "text").to_numpy(np.uint8).tobytes(),
        "pairs": frame["pair"].to_numpy(np.int32).tobytes(),
        "own": _flags(cloud.own, len(frame)).tobytes(),
        "names": _lines(frame["label"]),
        "ids": "\n".join(cloud.ids).encode(),
    }
    labels = []
    for place, label in enumerate(cloud.labels):
        values = coloured_values(frame[label])
        codes = _codes(value_names(frame[label]), values)
        arrays[f"label {place}"] = codes.tobytes()
        counts = np.bincount(codes, minlength=_NONE + 1)
        labels.append(
            {
                "name": label,
                "values": [
                    {"name": value, "colour": colour, "count": int(count)}
                    for (value, colour), count in zip(values.items(), counts, strict=False)
                ],
                "none": int(counts[_NONE]),
            }
        )
    sheet = _sheet(cloud.pictures)
    if sheet is not None:
        arrays["sheet"] = sheet.pop("file")
    header = {
        "points": len(frame),
        "fit": cloud.fit,
        "axes": cloud.axes,
        "kinds": cloud.kinds,
        "labels": labels,
        "sheet": sheet,
    }
    return _joined(header, arrays)


def _joined(header: dict[str, Any], arrays: Mapping[str, bytes]) -> Packed:
    at, places, padded = 0, {}, []
    for name, content in arrays.items():
        places[name] = [at, len(content)]
        padded.append(content + b"\0" * (-len(content) % 4))
        at += len(padded[-1])
    body = b"".join(padded)
    told = {**as_text(header), "arrays": places}
    digest = hashlib.sha256(json.dumps(told).encode() + body).hexdigest()[:16]
    text = json.dumps({**told, "id": digest}, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 4)
    return Packed(digest, header["points"], len(text).to_bytes(4, "little") + text + body)


def corners(positions: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "2 2"]:
    """Lower left and upper right corner of a square around points that are finite."""
    low, high = positions.min(axis=0), positions.max(axis=0)
    middle, reach = (low + high) / 2, max(float((high - low).max()) / 2, 1e-6) * 1.04
    return np.stack([middle - reach, middle + reach])


def _quantised(cloud: Cloud) -> Integer[np.ndarray, "n 2"]:
    """Positions as whole numbers, 0 to 65,535 within the map; what lies outside, at its edge."""
    positions = cloud.frame[["x", "y"]].to_numpy(np.float64)
    low, high = corners(positions) if cloud.extent is None else cloud.extent
    return np.round((positions - low) / (high - low) * 65535).clip(0, 65535).astype("<u2")


def _codes(names: Sequence[str], values: Mapping[str, str]) -> UInt8[np.ndarray, " n"]:
    codes = {value: code for code, value in enumerate(values)}
    return np.fromiter((codes.get(name, _NONE) for name in names), np.uint8, len(names))


def _flags(places: Sequence[int], count: int) -> UInt8[np.ndarray, " n"]:
    flags = np.zeros(count, np.uint8)
    flags[list(places)] = 1
    return flags


def _lines(names: pd.Series) -> bytes:
    shown: dict[str, str] = {}
    for name in map(str, names):
        if name not in shown:
            shown[name] = messages.visible(name, _LONGEST)
    return "\n".join(shown[name] for name in map(str, names)).encode()


def _sheet(pictures: UInt8[np.ndarray, "p side side 3"] | None) -> dict[str, Any] | None:
    """All pictures in rows on one WebP file; None if there are none, or too many to send."""
    count = 0 if pictures is None else len(pictures)
    side = next((side for most, side in _SIDES.items() if count <= most), None)
    if pictures is None or not count or side is None:
        return None
    columns = math.ceil(math.sqrt(count))
    sheet = Image.new("RGB", (columns * side, math.ceil(count / columns) * side), "white")
    for place, picture in enumerate(pictures):
        small = Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR)
        sheet.paste(small, (place % columns * side, place // columns * side))
    file = io.BytesIO()
    sheet.save(file, "WEBP", quality=75, method=2)
    return {"columns": columns, "rows": math.ceil(count / columns), "file": file.getvalue()}
