"""Contact sheets: many small pictures in one file, so that a page loads one and not a hundred."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from streamlit import get_option, runtime


@dataclass(frozen=True)
class Sheet:
    """Square pictures of one size in rows, as the browser takes them."""

    src: str
    """A data URL, or the address of the file on the server: see `hosted`."""
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


def hosted(sheet: Sheet, place: str) -> Sheet:
    """The sheet with its picture as a file of the server, which a browser fetches once.

    In the data of a component it would be sent again whenever anything else in them changes.

    Args:
      place: names the element on the page; the file goes when another one takes its place.
    """
    content = base64.b64decode(sheet.src.partition(",")[2])
    address = runtime.get_instance().media_file_mgr.add(content, "image/webp", place)
    base = str(get_option("server.baseUrlPath") or "").strip("/")
    return replace(sheet, src=f"/{base}{address}" if base else address)
