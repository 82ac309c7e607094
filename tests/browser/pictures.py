"""Pictures of all kinds, good and bad, as the files that readers bring."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

SIDE = 64
#: Colour of the pictures, as RGB.
COLOUR = (200, 40, 120)


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def plain(size: tuple[int, int] = (SIDE, SIDE)) -> Image.Image:
    return Image.new("RGB", size, COLOUR)


def animated() -> bytes:
    """Red first, then green."""
    frames = [Image.new("RGB", (SIDE, SIDE), colour) for colour in ("#FF0000", "#00FF00")]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100)


def sixteen_bits() -> bytes:
    """Grey at a quarter of the scale, which careless readers clip to white."""
    return encoded(Image.fromarray(np.full((SIDE, SIDE), 16384, np.uint16)))


def cmyk() -> bytes:
    return encoded(plain().convert("CMYK"), "JPEG", quality=95)


def palette() -> bytes:
    return encoded(plain().quantize(4))


def transparent() -> bytes:
    """See-through all over, over black that must not show."""
    return encoded(Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0)))


def truncated() -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    whole = encoded(Image.fromarray(noise))
    return whole[: len(whole) // 2]


def bomb(width: int = 60000, height: int = 60000) -> bytes:
    """A small PNG that says it has billions of pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = zlib.compress(bytes(1000))
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks
