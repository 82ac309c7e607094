"""Of drawings with the same pixels one stays, and it is the one that says least."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from limoe_core.data.emoji.concepts import code_points
from limoe_core.data.emoji.copies import without_copies


def drawing(shade: int, hidden: int = 0) -> bytes:
    """A square of this shade; what is transparent around it has a colour, too."""
    pixels = np.full((72, 72, 4), (hidden, 0, 0, 0), np.uint8)
    pixels[20:50, 20:50] = (shade, shade, shade, 255)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("texts", "stays"),
    [
        ("🇪🇦 🇪🇸", "🇪🇸"),
        ("🚶‍♂️ 🚶", "🚶"),
        ("👨‍👦 👩‍👧 🧑‍🧒", "🧑‍🧒"),
        ("👨‍👩‍👦 👪 🧑‍🧑‍🧒", "👪"),
        ("🐱 😺", "🐱"),
    ],
)
def test_the_drawing_of_the_base_concept_stays(texts: str, stays: str) -> None:
    keys = [code_points(text) for text in texts.split()]
    for order in (keys, keys[::-1]):
        drawings = {(key, "openmoji"): drawing(9, hidden) for hidden, key in enumerate(order)}
        other = {(keys[0], "twemoji"): drawing(10)}
        found = without_copies({**drawings, **other})
        assert list(found) == [(code_points(stays), "openmoji"), *other]


def test_no_drawing_of_its_own_is_left_out() -> None:
    drawings = {("1F34E", style): drawing(shade) for shade, style in enumerate(("a", "b", "c"))}
    assert without_copies(drawings) == drawings
    assert without_copies({}) == {}
