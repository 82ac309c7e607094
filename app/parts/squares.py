"""Pictures that a trace holds, on white squares."""

from __future__ import annotations

import base64
import io

import numpy as np
from jaxtyping import UInt8
from PIL import Image

#: Side of a picture that tells pairs apart, and of one whose patches are looked at, in pixels.
SMALL, LARGE = 64, 256
#: Longest side of a picture beneath its patches.
_SHOWN = 448


def small(content: bytes | None, side: int = SMALL) -> UInt8[np.ndarray, "side side 3"]:
    """A picture file on a white square; white without one, or if it cannot be read."""
    from limoe_core.data.preprocess import PictureError, fit_square, open_picture

    if content is not None:
        try:
            return np.round(fit_square(open_picture(content)[0], side)).astype(np.uint8)
        except PictureError:
            pass
    return np.full((side, side, 3), 255, np.uint8)


def address(content: bytes) -> str | None:
    """A picture file as a data address, no larger than it is drawn; None if it cannot be read."""
    from limoe_core.data.preprocess import PictureError, open_picture

    try:
        picture = open_picture(content)[0]
        whole = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        shown = whole.convert("RGB")
    except PictureError:
        return None
    shown.thumbnail((_SHOWN, _SHOWN))
    file = io.BytesIO()
    shown.save(file, "WEBP", quality=75, method=2)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def placed(
    box: tuple[int, int, int, int], width: int, height: int, side: int
) -> tuple[float, float, float, float]:
    """A box in pixels of a picture, in pixels of its white square."""
    scale = side / max(width, height)
    left, top = (side - width * scale) / 2, (side - height * scale) / 2
    x0, y0, x1, y1 = (edge * scale for edge in box)
    return left + x0, top + y0, left + x1, top + y1
