"""What a map sends to the browser."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.components.scatter import Cloud, Packed, packed
from app.components.scatter.payload import corners


def some_cloud(count: int = 40, **changes: Any) -> Cloud:
    rng = np.random.default_rng(0)
    pairs = np.arange(count) % max(1, count // 2)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=count),
            "y": 5 * rng.normal(size=count),
            "modality": np.where(np.arange(count) < count // 2, "image", "text"),
            "pair": pairs,
            "label": [f"number {n}" for n in range(count)],
            "category": [f"kind {n % 40}" if n % 7 else "" for n in range(count)],
            "block 2": np.arange(count) % 9 - 1,
        }
    )
    known: dict[str, Any] = {
        "frame": frame,
        "labels": ["modality", "category", "block 2"],
        "ids": [f"k{n}" for n in range(count)],
        "fit": "pca",
        "axes": ("x", "y"),
        "kinds": (("picture", "pictures"), ("text", "texts")),
    }
    return Cloud(**{**known, **changes})


def opened(message: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """As cloud.js reads it."""
    (length,) = struct.unpack_from("<I", message)
    header = json.loads(message[4 : 4 + length])
    body = message[4 + length :]
    assert all(at % 4 == 0 for at, _ in header["arrays"].values()) and length % 4 == 0
    return header, {name: body[at : at + size] for name, (at, size) in header["arrays"].items()}


def places(found: Packed) -> np.ndarray:
    return np.frombuffer(opened(found.message)[1]["places"], "<u2").reshape(-1, 2) / 65535


@given(st.integers(1, 60))
@settings(max_examples=15)
def test_every_part_comes_as_it_was(count: int) -> None:
    cloud = some_cloud(count)
    found = packed(cloud)
    header, arrays = opened(found.message)
    assert header["points"] == found.count == count
    low, high = corners(cloud.frame[["x", "y"]].to_numpy())
    wanted = (cloud.frame[["x", "y"]].to_numpy() - low) / (high - low)
    assert places(found) == pytest.approx(wanted, abs=1e-4)
    assert arrays["names"].decode().split("\n") == cloud.frame["label"].tolist()
    assert np.frombuffer(arrays["pairs"], "<i4").tolist() == cloud.frame["pair"].tolist()
    for place, label in enumerate(header["labels"]):
        codes = arrays[f"label {place}"]
        column = cloud.frame[label["name"]]
        for code, value in zip(codes, column, strict=True):
            if value in ("", -1):
                assert code == 33
                continue
            shown = label["values"][code]["name"]
            assert shown in (str(value), f"E{value}", "other")
        assert sum(value["count"] for value in label["values"]) + label["none"] == count
        assert len(label["values"]) <= 32


def test_a_map_keeps_its_corners_whatever_is_placed_on_it() -> None:
    cloud = some_cloud()
    extent = corners(cloud.frame[["x", "y"]].to_numpy())
    part = some_cloud(frame=cloud.frame.iloc[3:9], ids=cloud.ids[3:9], extent=extent)
    assert np.array_equal(places(packed(part)), places(packed(cloud))[3:9])


def test_the_address_names_the_points_and_the_message_its_content() -> None:
    one, other = some_cloud(), some_cloud(fit="umap")
    assert packed(one).id == packed(some_cloud()).id != packed(other).id
    assert opened(packed(one).message)[0]["id"] == packed(one).id


def test_names_that_break_lines_or_hide_are_made_visible() -> None:
    frame = some_cloud(4).frame.assign(label=["a\nb", "x\u202ey", "long " * 100, "plain"])
    names = opened(packed(some_cloud(4, frame=frame)).message)[1]["names"].decode().split("\n")
    assert len(names) == 4
    assert "\u202e" not in names[1] and len(names[2]) <= 80


def test_many_points_take_few_bytes() -> None:
    count = 20_000
    found = packed(some_cloud(count))
    names = sum(len(f"number {n}") + 1 + len(f"k{n}") + 1 for n in range(count))
    # Two numbers of a place, the pair, kind, own, and three labels.
    assert len(found.message) < count * (4 + 4 + 1 + 1 + 3) + names + 10_000


def test_too_many_pictures_are_not_sent() -> None:
    small = np.zeros((5_000, 2, 2, 3), np.uint8)
    assert opened(packed(some_cloud(pictures=small)).message)[0]["sheet"] is None
    header, arrays = opened(packed(some_cloud(pictures=small[:20])).message)
    assert (header["sheet"]["columns"], header["sheet"]["rows"]) == (5, 4)
    assert arrays["sheet"][:4] == b"RIFF"
