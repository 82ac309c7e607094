"""Valid pictures of every kind that the dashboard reads, for the fuzzer to damage."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

SIDE = 48


def seeds(seed: int = 0) -> dict[str, bytes]:
    """Small picture files by kind; the same ones for the same seed."""
    rng = np.random.default_rng(seed)
    colour = Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8))
    clear = Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 4), np.uint8))
    frames = [Image.new("RGB", (SIDE, SIDE), name) for name in ("red", "green", "blue")]
    moving = {"save_all": True, "append_images": frames[1:], "duration": 50}
    wide = rng.integers(0, 65536, (SIDE, SIDE)).astype(np.uint16)
    return {
        "png": _encoded(colour, "PNG"),
        "png with transparency": _encoded(clear, "PNG"),
        "png of 16 bits": _encoded(Image.fromarray(wide), "PNG"),
        "png with a palette": _encoded(colour.quantize(16), "PNG"),
        "animated png": _encoded(frames[0], "PNG", **moving),
        "jpeg": _encoded(colour, "JPEG"),
        "progressive jpeg": _encoded(colour, "JPEG", progressive=True, exif=_turned()),
        "cmyk jpeg": _encoded(colour.convert("CMYK"), "JPEG"),
        "gif": _encoded(colour.quantize(32), "GIF"),
        "animated gif": _encoded(frames[0], "GIF", **moving),
        "webp": _encoded(colour, "WEBP"),
        "lossless webp": _encoded(clear, "WEBP", lossless=True),
        "animated webp": _encoded(frames[0], "WEBP", **moving),
        "bmp": _encoded(colour, "BMP"),
        "tiff": _encoded(colour, "TIFF"),
        "packed tiff": _encoded(colour, "TIFF", compression="tiff_lzw"),
        "tiff of floats": _encoded(Image.fromarray(rng.random((SIDE, SIDE), np.float32)), "TIFF"),
        "tiff of pages": _encoded(frames[0], "TIFF", **moving),
        "ico": _encoded(clear, "ICO", sizes=[(16, 16), (32, 32)]),
        "ppm": _encoded(colour, "PPM"),
    }


def _encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _turned() -> Image.Exif:
    """EXIF of a photo taken with the camera on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif
