"""Opening picture files, which may be anyone's, within bounds on memory and time.

`PIL.Image.open` is called here and nowhere else; the linter sees to it.
"""

from __future__ import annotations

import os
import stat
import warnings
from pathlib import Path

from PIL import Image

from limoe_core.data.pictures.colour import is_converted, standard, turn
from limoe_core.data.pictures.errors import PictureError
from limoe_core.data.pictures.structure import Content, check_structure

#: A larger file is not read, in bytes.
MAX_FILE = 64 * 2**20
#: A file with more pixels (8,000 × 8,000) is refused before it is decoded.
MAX_PIXELS = 64_000_000
#: Longest side, in pixels: longer strips are refused, since they are padded to a square.
MAX_SIDE = 65_535
#: Memory that a picture may take while it is decoded and converted, in bytes. A JPEG that would
#: take more is decoded at a fraction of its size.
MAX_MEMORY = 400_000_000

# Formats with decoders in Pillow itself; others may start programs (EPS) or are no pictures.
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "ICO", "PPM")
_ANIMATED = ("PNG", "GIF", "WEBP", "AVIF")

#: Bytes that Pillow keeps of a pixel in these modes; 4 in all others.
_STORED = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
_CONVERTED = 4  # of a pixel in RGB or RGBA
#: Further bytes of a pixel in decoders that hold the whole picture themselves: two canvases and a
#: copy; planes of up to 16 bits and a copy.
_IN_DECODER = {"WEBP": 12, "AVIF": 10}
#: Fractions that a JPEG can be decoded at, and their names.
_SCALES = {1: "whole", 2: "half", 4: "a quarter of", 8: "an eighth of"}


def open_picture(
    source: bytes | str | Path, *, at_least: int | None = None
) -> tuple[Image.Image, list[str]]:
    """Decode a picture file with any kind of pixels.

    Neither memory nor time grow with the number of frames or pages, which are not counted.

    Args:
      source: the file's content, or its path.
      at_least: pixels that each side needs at least; a larger JPEG is then decoded at a fraction
        of its size, which is several times as fast.

    Returns:
      an RGB picture, or RGBA if some of it may be transparent, turned upright and in sRGB; and
      sentences that tell the user what was done to it, such as taking one frame of several.

    Raises:
      PictureError: it is not a picture, has too many pixels, or is damaged.
    """
    content = _content(source)
    check_structure(content)
    picture = _opened(content)
    try:
        notes = _frames(picture) + _reduced(picture, at_least)
        picture.load()
        _check_memory(picture, _memory(picture, 1, _copies(picture)))
    except PictureError:
        raise
    except Exception as error:  # Decoders raise all sorts of errors for damaged data.
        raise PictureError(
            f"The file is damaged or cut off, and the picture cannot be read: {error}."
        ) from error
    upright, more = standard(picture)
    return upright, notes + more


def _content(source: bytes | str | Path) -> bytes:
    if isinstance(source, bytes | bytearray | memoryview):
        content = bytes(source)
    elif isinstance(source, str | Path):
        content = _read(Path(source))
    else:
        raise PictureError(
            f"A picture file is its path or its content as bytes, not {type(source).__name__}."
        )
    if len(content) > MAX_FILE:
        raise PictureError(
            f"The picture file has more than {MAX_FILE // 2**20} MiB, and no more are read. Give a "
            "smaller one."
        )
    return content


def _read(path: Path) -> bytes:
    """A regular file's content, up to one byte more than is allowed."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise PictureError(f"{path} is not a file that holds a picture.")
            return file.read(MAX_FILE + 1)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        reason = getattr(error, "strerror", None) or error
        raise PictureError(f"The file {path} cannot be read: {reason}.") from error


def _without_waiting(path: str, flags: int) -> int:
    """Opens a file, and a pipe without waiting for its writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _opened(content: bytes) -> Image.Image:
    """The picture, not decoded yet, of a size that is allowed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd tags in pictures that can be read
            picture = Image.open(Content(content), formats=_FORMATS)
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureError(
            f"The picture claims far more than the {MAX_PIXELS // 10**6} million pixels that are "
            "read; give a smaller one."
        ) from error
    except Image.UnidentifiedImageError as error:
        kinds = ", ".join(_FORMATS[:6])
        raise PictureError(
            f"The file is not a picture of a known kind ({kinds}).{_advice(content)}"
        ) from error
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
    _check_tiles(picture)
    return picture


def _check_tiles(picture: Image.Image) -> None:
    """Refuses a file whose parts cover the picture many times: each would be decoded."""
    tiles = getattr(picture, "tile", [])
    boxes = [tile[1] for tile in tiles if tile[1]]
    covered = sum((right - left) * (bottom - top) for left, top, right, bottom in boxes)
    # The bands of a TIFF may each have parts of their own.
    if covered > 2 * len(picture.getbands()) * picture.width * picture.height:
        raise PictureError(
            "The file is damaged: its parts cover the picture more than once. Save it anew."
        )


#: Kinds that people bring and that are not read here, by the bytes from the fifth on.
_HEIC = (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypheim", b"ftypmif1", b"ftypmsf1")


def _advice(content: bytes) -> str:
    """What to do with a file of a kind that is known but not read; with a space before it."""
    if content[4:12] in _HEIC:
        return (
            " It is HEIC, as phones save photographs: export it as JPEG or PNG first, or set the "
            "camera to its most compatible format."
        )
    if b"<svg" in content[:1000]:
        return " It is SVG, a drawing without pixels: export it as PNG first."
    return ""


def _frames(picture: Image.Image) -> list[str]:
    """Sentences for the user about a file with several pictures; the first is read.

    Counting them would walk over the whole file; whether there is a second is known at once.
    """
    if picture.format not in (*_ANIMATED, "TIFF") or not getattr(picture, "is_animated", False):
        return []  # Previews inside a photo, too, which the user knows nothing about.
    if picture.format == "TIFF":
        return ["This file has several pages; the first one is used."]
    return ["This is an animation; its first frame is used."]


def _reduced(picture: Image.Image, at_least: int | None) -> list[str]:
    """Has a JPEG decoded at a fraction of its size if that is enough, or must be.

    Raises:
      PictureError: the picture takes too much memory in any way.
    """
    width, height = picture.size
    # A PNG may tell only behind its pixels how it is to be turned.
    copies = 1 if picture.format == "PNG" else _copies(picture)
    if picture.format not in ("JPEG", "MPO"):
        _check_memory(picture, _memory(picture, 1, copies))
        return []
    fits = [scale for scale in _SCALES if _memory(picture, scale, copies) <= MAX_MEMORY]
    if not fits:
        _check_memory(picture, _memory(picture, max(_SCALES), copies))
    enough = 1 if at_least is None else max(1, min(width, height) // at_least)
    scale = max(fits[0], max(scale for scale in _SCALES if scale <= enough))
    if scale > 1:
        picture.draft(None, (max(1, width // scale), max(1, height // scale)))
    if fits[0] == 1:
        return []
    return [f"The picture of {width:,} × {height:,} pixels is read at {_SCALES[scale]} its size."]


def _copies(picture: Image.Image) -> int:
    """Pictures of this kind that are there at once: two while one is turned."""
    return 1 if turn(picture) is None else 2


def _memory(picture: Image.Image, scale: int, copies: int) -> int:
    """Most bytes that the picture takes at a time, decoded at 1/scale of its size."""
    pixels = picture.width * picture.height
    stored = _STORED.get(picture.mode, 4)
    most = max(copies * stored, stored + _CONVERTED * is_converted(picture))
    most += _IN_DECODER.get(picture.format or "", 0)
    coefficients = 0
    if picture.info.get("progressive"):  # of a JPEG, which are kept until the last scan
        layers = getattr(picture, "layer", [])
        finest = max((across * down for _, across, down, _ in layers), default=1)
        coefficients = 2 * pixels * sum(across * down for _, across, down, _ in layers) // finest
    return coefficients + pixels * most // scale**2


def _check_memory(picture: Image.Image, needed: int) -> None:
    if needed > MAX_MEMORY:
        raise PictureError(
            f"The picture of {picture.width:,} × {picture.height:,} pixels takes about "
            f"{needed // 10**6:,} MB to decode, and at most {MAX_MEMORY // 10**6} MB are given to "
            "it. Give a smaller one."
        )
