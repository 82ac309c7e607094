"""Contact sheets: many small pictures in one file, so that a page loads one and not a hundred."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image


@dataclass(frozen=True)
class Sheet:
    """Square pictures of one size in rows, as the browser takes them."""

    src: str
    """A data URL."""
    columns: int
    rows: int
    size: int
    """Side of a picture in pixels."""


def contact_sheet(
    pictures: UInt8[np.ndarray, "n S S 3"], side: int | None = None, *, lossless: bool = False
) -> Sheet:
    """Puts n pictures on one nearly square WebP sheet, in their order, row after row.

    Args:
      side: pixels that each picture is scaled to; None leaves them as they are.
      lossless: keep every pixel, for sheets whose single patches are looked at.
    """
    count, size = len(pictures), pictures.shape[1] if side is None else side
    columns = max(1, math.ceil(math.sqrt(count)))
    rows = max(1, math.ceil(count / columns))
    sheet = Image.new("RGB", (columns * size, rows * size), "white")
    for place, picture in enumerate(pictures):
        small = Image.fromarray(picture).resize((size, size), Image.Resampling.BILINEAR)
        sheet.paste(small, (place % columns * size, place // columns * size))
    file = io.BytesIO()
    sheet.save(file, "WEBP", lossless=lossless, quality=60 if lossless else 82, method=2)
    encoded = base64.b64encode(file.getvalue()).decode()
    return Sheet(f"data:image/webp;base64,{encoded}", columns, rows, size)
