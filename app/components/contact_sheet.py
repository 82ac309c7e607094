"""The probe pairs' pictures on one sheet, so that a page loads one picture and not a hundred."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8


@dataclass(frozen=True)
class Sheet:
    """Square pictures in rows, as the browser takes them."""

    url: str
    """A data URL."""
    columns: int
    rows: int
    size: int
    """Side of a picture in pixels."""

    @classmethod
    def of(cls, pictures: UInt8[np.ndarray, "n S S 3"]) -> Sheet:
        """All pictures, in their order, row after row."""
        from PIL import Image

        count, size = len(pictures), pictures.shape[1]
        columns = max(1, math.ceil(math.sqrt(count)))
        rows = max(1, math.ceil(count / columns))
        page = np.full((rows * size, columns * size, 3), 255, np.uint8)
        for place, picture in enumerate(pictures):
            top, left = divmod(place, columns)
            page[top * size : (top + 1) * size, left * size : (left + 1) * size] = picture
        file = io.BytesIO()
        Image.fromarray(page).save(file, "WEBP", lossless=True, quality=60, method=2)
        url = "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
        return cls(url, columns, rows, size)
