"""Preprocessing of any user's picture to the model's input, without randomness."""

from __future__ import annotations

import math
from typing import Any, TypeAlias, TypeVar

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image, ImageOps

from limoe_core.data.pictures.colour import standard
from limoe_core.data.pictures.errors import PictureError
from limoe_core.data.pictures.opening import open_picture

__all__ = ["Picture", "PictureError", "fit_square", "open_picture", "to_model_input"]

#: A picture of any size: PIL, or uint8 (H, W), (H, W, 1), (H, W, 3) or (H, W, 4).
Picture: TypeAlias = Image.Image | np.ndarray

# Pixels that are resized at once, so that a large picture is never copied as a whole.
_AT_ONCE = 2**22

_WHITE = (255, 255, 255)

_Number = TypeVar("_Number", int, float)


def to_model_input(
    picture: Image.Image | np.ndarray, size: int
) -> Float32[np.ndarray, "size size 3"]:
    """A picture of any size and kind as the model's input.

    It is turned upright by its EXIF record and converted by its colour profile. Transparent parts
    become white, white bars make it a square, and a triangle filter that does not alias resizes
    it: for a square picture this is `augment.plain`.

    Args:
      picture: a PIL picture of any mode, or uint8 (h, w), (h, w, 1), (h, w, 3) or (h, w, 4).
      size: side of the result in pixels.

    Returns:
      values in [-1, 1]; white is 1.

    Raises:
      PictureError: an array of another kind, or a picture without pixels, with values that are no
        numbers, or from a damaged file.
    """
    return fit_square(picture, size).astype(np.float32) / np.float32(127.5) - 1


def fit_square(picture: Image.Image | np.ndarray, size: int) -> UInt8[np.ndarray, "size size 3"]:
    """The picture of `to_model_input` before scaling, with values in 0 to 255.

    Raises:
      PictureError: as `to_model_input`.
    """
    return np.asarray(fitted(picture, size))


def fitted(picture: Image.Image | np.ndarray, size: int) -> Image.Image:
    """The same as an RGB picture.

    Raises:
      PictureError: as `to_model_input`.
    """
    check_picture(picture)
    if not isinstance(picture, Image.Image):
        grey = picture[..., 0] if picture.shape[2:] == (1,) else picture
        picture = Image.fromarray(np.ascontiguousarray(grey))
    upright, _ = standard(picture)
    return _fit(upright, size)


def check_picture(picture: Any) -> None:
    """Looks whether something is a picture, without looking at its pixels.

    Raises:
      PictureError: it is neither a PIL image nor a uint8 array of a picture's shape, or empty.
    """
    if isinstance(picture, Image.Image):
        width, height = picture.size
    else:
        # Not of a list or tuple, which need not be of one shape, as what `open_picture` gives.
        shape: tuple[int, ...] = getattr(picture, "shape", ())
        kind = getattr(picture, "dtype", type(picture).__name__)
        good = len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))
        if kind != np.uint8 or not good:
            raise PictureError(
                "A picture must be a PIL image or a uint8 array (h, w), (h, w, 1), (h, w, 3) or "
                f"(h, w, 4), not {kind}{f' {shape}' if shape else ''}. For a file take "
                "open_picture(path)[0] of limoe_core.data.preprocess."
            )
        height, width = shape[:2]
    if 0 in (width, height):
        raise PictureError(f"A picture of {width} × {height} pixels is empty.")


def on_white(picture: Image.Image) -> Image.Image:
    """An RGBA picture on white; any other as it is."""
    if picture.mode != "RGBA":
        return picture
    white = Image.new("RGBA", picture.size, (*_WHITE, 255))
    return Image.alpha_composite(white, picture).convert("RGB")


def _fit(picture: Image.Image, size: int) -> Image.Image:
    """Fit a picture into a white square, the longer axis first.

    So a strip of 10,000×20 pixels never becomes a square of a hundred million. A square of this
    size stays as it is, as the filter would leave it.
    """
    if picture.size == (size, size):
        return on_white(picture)
    side = max(picture.size)
    wide = picture.width >= picture.height
    return _fit_axis(_fit_axis(picture, wide, side, size), not wide, side, size)


def _fit_axis(picture: Image.Image, wide: bool, side: int, size: int) -> Image.Image:
    """Pad one axis with white to `side` pixels and resize it to `size`, in RGB on white."""
    length, other = picture.size if wide else picture.size[::-1]
    start = (side - length) / 2
    # White that only the filter sees, beyond the edge, as far as it reaches.
    margin = math.ceil(side / size) + 1
    before, after = margin + math.ceil(start), margin + math.floor(start) + 1
    low = before - start
    fitted = Image.new("RGB", _oriented(size, other, wide))
    rows = max(1, _AT_ONCE // (before + length + after))
    for first in range(0, other, rows):
        last = min(first + rows, other)
        near = _oriented(0, first, wide)
        band = on_white(picture.crop((*near, *_oriented(length, last, wide))))
        filled = ImageOps.expand(
            band, (*_oriented(before, 0, wide), *_oriented(after, 0, wide)), fill=_WHITE
        )
        resized = filled.resize(
            _oriented(size, last - first, wide),
            Image.Resampling.BILINEAR,
            box=(*_oriented(low, 0, wide), *_oriented(low + side, last - first, wide)),
        )
        fitted.paste(resized, near)
    return fitted


def _oriented(along: _Number, across: _Number, wide: bool) -> tuple[_Number, _Number]:
    """(x, y) of a point given along this axis and across it."""
    return (along, across) if wide else (across, along)
