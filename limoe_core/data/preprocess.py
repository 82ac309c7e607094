"""Preprocessing of any user's picture to the model's input, without randomness."""

from __future__ import annotations

import io
import math
import warnings
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image, ImageCms, ImageOps

#: A file with more pixels (8,000 × 8,000) is refused before it is decoded.
MAX_PIXELS = 64_000_000
#: Longest side, in pixels: longer strips are refused, since they are padded to a square.
MAX_SIDE = 65_535
#: Limit on a JPEG's scans. A progressive one has about ten; each is decoded over the whole picture,
#: and a small file can hold thousands.
MAX_SCANS = 100

# Rows or columns that are resized at once, so that a large picture is never copied as a whole.
_BAND = 512

# Formats with decoders in Pillow itself; others may start programs (EPS) or are no pictures.
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "ICO", "PPM")
_ANIMATED = ("PNG", "GIF", "WEBP", "AVIF")
_WHITE = (255, 255, 255)

_Number = TypeVar("_Number", int, float)


class PictureError(ValueError):
    """A file or array that is not a usable picture, in words a user can act on."""


def open_picture(
    source: bytes | str | Path, *, at_least: int | None = None
) -> tuple[Image.Image, list[str]]:
    """Decode a picture file with any kind of pixels.

    Args:
      source: the file's content, or its path.
      at_least: pixels that each side needs at least; a larger JPEG is then decoded at a fraction
        of its size, which is several times as fast.

    Returns:
      an RGB picture, or RGBA if some of it may be transparent, turned upright; and sentences that
      tell the user what was done to it, such as taking one frame of many.

    Raises:
      PictureError: it is not a picture, has too many pixels, or is damaged.
    """
    content = _content(source)
    _check_scans(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd tags in pictures that can be read
            picture = Image.open(io.BytesIO(content), formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise PictureError(
            f"The picture claims far more than the {MAX_PIXELS // 10**6} million pixels that are "
            "read; give a smaller one."
        ) from error
    except Image.UnidentifiedImageError as error:
        kinds = ", ".join(_FORMATS[:6])
        raise PictureError(f"The file is not a picture of a known kind ({kinds}).") from error
    except Exception as error:  # Decoders raise all sorts of errors for a damaged header.
        raise PictureError(f"The file is damaged and cannot be read: {error}.") from error
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise PictureError(
            f"The picture has {width} × {height} pixels; at most {MAX_PIXELS // 10**6} million are "
            "read. Give a smaller one."
        )
    if max(width, height) > MAX_SIDE:
        raise PictureError(
            f"The picture has {width} × {height} pixels; at most {MAX_SIDE:,} are read along a "
            "side. Give a smaller one."
        )
    try:
        notes = _frames(picture)
        if at_least is not None:
            picture.draft(None, (at_least, at_least))
        picture.load()
        upright = ImageOps.exif_transpose(picture)
        return _eight_bit_colour(upright), notes
    except Exception as error:
        raise PictureError(
            f"The file is damaged or cut off, and the picture cannot be read: {error}."
        ) from error


def to_model_input(
    picture: Image.Image | np.ndarray, size: int
) -> Float32[np.ndarray, "size size 3"]:
    """A picture of any size and kind as the model's input.

    Transparent parts become white, white bars make it a square, and a triangle filter that does not
    alias resizes it: for a square picture this is `augment.plain`.

    Args:
      picture: a PIL picture of any mode, or uint8 (h, w), (h, w, 1), (h, w, 3) or (h, w, 4).
      size: side of the result in pixels.

    Returns:
      values in [-1, 1]; white is 1.

    Raises:
      PictureError: an array of another kind, or a picture without pixels.
    """
    return fit_square(picture, size).astype(np.float32) / np.float32(127.5) - 1


def fit_square(picture: Image.Image | np.ndarray, size: int) -> UInt8[np.ndarray, "size size 3"]:
    """The picture of `to_model_input` before scaling, with values in 0 to 255."""
    if not isinstance(picture, Image.Image):
        picture = _from_array(picture)
    if 0 in picture.size:
        raise PictureError(f"A picture of {picture.width} × {picture.height} pixels is empty.")
    return np.asarray(_fit(_eight_bit_colour(picture), size))


def _check_scans(content: bytes) -> None:
    # Within the data of a scan 0xFF is followed by a zero, so these two bytes start a scan, or
    # one of a few in a preview.
    if content.startswith(b"\xff\xd8") and content.count(b"\xff\xda") > MAX_SCANS:
        raise PictureError(
            f"The JPEG consists of more than {MAX_SCANS} scans, which take too long to decode. "
            "Save it anew."
        )


def _content(source: bytes | str | Path) -> bytes:
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise PictureError(f"The file {source} cannot be read: {error.strerror}.") from error


def _frames(picture: Image.Image) -> list[str]:
    """Sentences for the user about a file with several pictures; the first is read."""
    count = getattr(picture, "n_frames", 1)
    if count < 2:
        return []
    if picture.format in _ANIMATED:
        return [f"This is an animation of {count} frames; the first one is used."]
    if picture.format == "TIFF":
        return [f"This file has {count} pages; the first one is used."]
    return []  # For example previews inside a photo, which the user knows nothing about.


def _eight_bit_colour(picture: Image.Image) -> Image.Image:
    """RGB, or RGBA if anything can be transparent, from any mode of Pillow."""
    if picture.mode in ("I", "F") or picture.mode.startswith("I;"):
        return _from_wide_grey(picture)
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        return picture.convert("RGBA")
    return _to_srgb(picture) if picture.mode != "1" else picture.convert("RGB")


def _from_wide_grey(picture: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits or floating point, which `convert` would clip to white."""
    values: np.ndarray = np.asarray(picture).astype(np.float32)
    finite: np.ndarray = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = finite.min(), finite.max()
    if picture.mode != "F" and low >= 0 and high <= 65535:
        scaled = finite / 65535  # What a 16-bit file decodes to, whatever the mode.
    elif picture.mode == "F" and low >= 0 and high <= 1:
        scaled = finite
    else:  # There is no agreed scale, so show the range that is there.
        # Halved first, since the span of the largest floating-point numbers would be infinite.
        scaled = (finite / 2 - low / 2) / max(high / 2 - low / 2, 1e-12)
    return Image.fromarray(np.round(scaled * 255).astype(np.uint8)).convert("RGB")


def _to_srgb(picture: Image.Image) -> Image.Image:
    """RGB by the picture's colour profile if it is usable, else by the plain formula."""
    profile = picture.info.get("icc_profile")
    if profile and picture.mode in ("RGB", "CMYK", "L"):
        try:
            converted = ImageCms.profileToProfile(
                picture,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode="RGB",
            )
        except (ImageCms.PyCMSError, OSError, ValueError):
            converted = None
        if converted is not None:
            return converted
    return picture.convert("RGB")


def _from_array(array: np.ndarray) -> Image.Image:
    shape = np.shape(array)
    kind = getattr(array, "dtype", type(array).__name__)
    good = len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))
    if kind != np.uint8 or not good:
        raise PictureError(
            "A picture must be a PIL image or a uint8 array (h, w), (h, w, 1), (h, w, 3) or "
            f"(h, w, 4), not {kind} {shape}."
        )
    if 0 in shape:
        raise PictureError(f"A picture of {shape[1]} × {shape[0]} pixels is empty.")
    return Image.fromarray(np.ascontiguousarray(array[..., 0] if shape[2:] == (1,) else array))


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode != "RGBA":
        return picture
    white = Image.new("RGBA", picture.size, (*_WHITE, 255))
    return Image.alpha_composite(white, picture).convert("RGB")


def _fit(picture: Image.Image, size: int) -> Image.Image:
    """Fit a picture into a white square, the longer axis first.

    So a strip of 10,000×20 pixels never becomes a square of a hundred million.
    """
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
    for first in range(0, other, _BAND):
        last = min(first + _BAND, other)
        near = _oriented(0, first, wide)
        band = _on_white(picture.crop((*near, *_oriented(length, last, wide))))
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
