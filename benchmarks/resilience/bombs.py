"""Small files that demand much memory or time."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from functools import partial

from PIL import Image


def bombs() -> dict[str, Callable[[], bytes]]:
    """What makes each file, by its name; it should be refused, or read at a bounded cost."""
    return {
        "a PNG of 60,000 × 60,000": partial(png, 60_000, 60_000),
        "a PNG of 2³¹ × 2³¹": partial(png, 2**31 - 1, 2**31 - 1),
        "a PNG just under the limit": partial(png, 8_000, 8_000),
        "a PNG just over the limit": partial(png, 8_001, 8_000),
        "a transparent PNG just under the limit": partial(png, 8_000, 8_000, colour=6),
        "a PNG of 16 bits just under the limit": partial(png, 8_000, 8_000, bits=16, colour=0),
        "a PNG of 16 bits and colour just under the limit": partial(
            png, 8_000, 8_000, bits=16, colour=2
        ),
        "a PNG of one row of 60 million": partial(png, 60_000_000, 1),
        "an ICO with a PNG of 13,000 × 13,000": lambda: ico(png(13_000, 13_000)),
        "a GIF of 65,535 × 65,535": partial(_gif, 65_535, 65_535, frames=1),
        "a GIF of 20,000 frames": partial(_gif, 64, 64, frames=20_000),
        "a GIF of 1,500,000 frames": partial(_gif, 64, 64, frames=1_500_000),
        "a PNG of 20,000 frames": partial(_moving_png, 20_000),
        "a WebP of 2,000 frames": partial(_moving, "WEBP", 2_000),
        "an AVIF of 300 frames": partial(_moving, "AVIF", 300),
        "a BMP of 2³¹ × 2³¹": partial(_bmp, 2**31 - 1, 2**31 - 1),
        "a PPM of 99,999 × 99,999": lambda: b"P6 99999 99999 255\n" + bytes(100),
        "a JPEG of 20,000 scans": partial(scans, 20_000),
        "a JPEG of 65,000 × 65,000": partial(jpeg, 65_000, 65_000),
        "a JPEG of four channels just under the limit": partial(jpeg, 8_000, 8_000, "CMYK"),
        "a JPEG of 300 EXIF records": partial(_records, 300),
        "a TIFF whose pages are a ring": _ring,
        "a TIFF of 400,000 pages": partial(tiff, 8, 8, pages=400_000),
        "a TIFF of floats of 60,000 × 60,000": partial(tiff, 60_000, 60_000, bits=32),
        "a TIFF of floats just under the limit": partial(tiff, 8_000, 8_000, bits=32),
        "a TIFF of 4 million strips": partial(strips, 4_000_000, 1),
        "a TIFF of 20,000 strips of all its pixels": partial(strips, 20_000, 1999),
        "a PNG of a million chunks": partial(_chunks, 1_000_000),
        "a GIF with a comment in 8 million blocks": partial(_comment, 8_000_000),
        "a PNG with a colour profile of 50 million bytes": partial(_profile, 50_000_000),
        "a WebP canvas of 16,383 × 16,383": partial(_webp, 16_383, 16_383),
        "a PNG with a text of 50 million characters": partial(_long_text, 50_000_000),
    }


#: Channels of a PNG by its kind of colour: grey, colour, transparent.
_CHANNELS = {0: 1, 2: 3, 6: 4}


def png(width: int, height: int, *, bits: int = 8, colour: int = 0) -> bytes:
    """A PNG of this many black pixels, as small as the format allows.

    Args:
      bits: of a channel.
      colour: 0 grey, 2 RGB, 6 RGBA.
    """
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    row = width * bits // 8 * _CHANNELS[colour] + 1
    size = row * height if row * height < 2**30 else 1000
    packer = zlib.compressobj(9)
    body = bytearray()
    for _ in range(0, size, 2**20):
        body += packer.compress(bytes(2**20))
    body += packer.flush()
    return _png(_chunk(b"IHDR", header), _chunk(b"IDAT", bytes(body)))


def _png(*chunks: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + _chunk(b"IEND", b"")


def _moving_png(frames: int) -> bytes:
    """An animated PNG of 8 × 8 pixels."""
    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(9 * 8))
    chunks = [_chunk(b"IHDR", header), _chunk(b"acTL", struct.pack(">II", frames, 0))]
    for number in range(frames):
        control = struct.pack(">IIIIIHHBB", max(0, 2 * number - 1), 8, 8, 0, 0, 1, 25, 0, 0)
        chunks.append(_chunk(b"fcTL", control))
        content = body if not number else struct.pack(">I", 2 * number) + body
        chunks.append(_chunk(b"IDAT" if not number else b"fdAT", content))
    return _png(*chunks)


def _moving(kind: str, frames: int) -> bytes:
    """An animation of 8 × 8 pixels whose frames all differ."""
    every = [Image.new("RGB", (8, 8), (n % 256, n // 256, 0)) for n in range(frames)]
    buffer = io.BytesIO()
    every[0].save(buffer, kind, save_all=True, append_images=every[1:], duration=40)
    return buffer.getvalue()


def jpeg(width: int, height: int, mode: str = "L") -> bytes:
    """A JPEG that claims this size; whole if it is small enough to be made."""
    made = (min(width, 8_000), min(height, 8_000))
    buffer = io.BytesIO()
    Image.new(mode, made).save(buffer, "JPEG", quality=1)
    content = bytearray(buffer.getvalue())
    struct.pack_into(">HH", content, content.index(b"\xff\xc0") + 5, height, width)
    return bytes(content)


def tiff(width: int, height: int, *, bits: int = 8, pages: int = 1) -> bytes:
    """A TIFF whose pages share one strip of black, as small as the format allows.

    Args:
      bits: 8 for grey, 32 for floating point.
    """
    size = width * height * bits // 8
    strip = zlib.compress(bytes(size), 9) if size < 2**30 else zlib.compress(bytes(1000))
    tags = (
        *((256, 4, width), (257, 4, height), (258, 3, bits), (259, 3, 8), (262, 3, 1)),
        *((273, 4, 8), (277, 3, 1), (278, 4, height), (279, 4, len(strip))),
        *([(339, 3, 3)] if bits == 32 else []),
    )
    start = 8 + len(strip) + len(strip) % 2
    page = 2 + 12 * len(tags) + 4
    content = bytearray(struct.pack("<2sHI", b"II", 42, start) + strip + bytes(len(strip) % 2))
    for number in range(pages):
        content += struct.pack("<H", len(tags))
        for tag, kind, value in tags:
            content += struct.pack("<HHII", tag, kind, 1, value)
        content += struct.pack("<I", start + page * (number + 1) if number < pages - 1 else 0)
    return bytes(content)


def ico(picture: bytes) -> bytes:
    """An icon that claims 32 × 32 pixels and holds a larger PNG."""
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 32, 32, 0, 0, 1, 32, len(picture), 22) + picture


def scans(count: int) -> bytes:
    """A progressive JPEG that repeats its last scan; each is decoded over all pixels."""
    buffer = io.BytesIO()
    Image.new("L", (2000, 2000), 128).save(buffer, "JPEG", progressive=True, quality=10)
    whole = buffer.getvalue()
    last = whole.rindex(b"\xff\xda")
    return whole[:last] + whole[last:-2][:16] * count + whole[-2:]


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check


def _gif(width: int, height: int, frames: int) -> bytes:
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    frame = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return head + frame * frames + b";"


def _bmp(width: int, height: int) -> bytes:
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 100, 0, 0, 54) + info + bytes(46)


def _ring() -> bytes:
    """A TIFF whose only directory points to itself as the next one."""
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "TIFF")
    content = bytearray(buffer.getvalue())
    start = struct.unpack_from("<I", content, 4)[0]
    entries = struct.unpack_from("<H", content, start)[0]
    struct.pack_into("<I", content, start + 2 + 12 * entries, start)
    return bytes(content)


def strips(count: int, rows: int, *, side: int = 2000, big: bool = False) -> bytes:
    """A TIFF that says it has this many strips of so many rows, all at the same place.

    Args:
      side: of the picture, in pixels.
      big: whether it is a BigTIFF.
    """
    counted, entry = ("<Q", "<HHQQ") if big else ("<H", "<HHII")
    head = b"II+\0\x08\0\0\0" + struct.pack("<Q", 16) if big else b"II*\0" + struct.pack("<I", 8)
    tags = {256: side, 257: side, 258: 8, 259: 1, 262: 1, 278: rows, 277: 1}
    end = len(head) + struct.calcsize(counted) + struct.calcsize(entry) * (len(tags) + 1) + 8
    entries = [struct.pack(entry, tag, 4, 1, value) for tag, value in tags.items()]
    entries.append(struct.pack(entry, 273, 4, count, end))
    whole = head + struct.pack(counted, len(entries)) + b"".join(entries) + bytes(8)
    return whole + struct.pack("<I", len(head)) * count + bytes(side * rows)


def _records(count: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "JPEG")
    whole, record = buffer.getvalue(), b"Exif\0\0" + bytes(65_000)
    segment = b"\xff\xe1" + struct.pack(">H", len(record) + 2) + record
    return whole[:2] + segment * count + whole[2:]


def _chunks(count: int) -> bytes:
    whole = png(8, 8)
    return whole[:33] + _chunk(b"zzZz", b"") * count + whole[33:]


def _comment(blocks: int) -> bytes:
    whole = _gif(64, 64, frames=1)
    return whole.replace(b",", b"!\xfe" + b"\1a" * blocks + b"\0,", 1)


def _profile(size: int) -> bytes:
    whole = png(8, 8)
    packed = _chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(size), 9))
    return whole[:33] + packed + whole[33:]


def _webp(width: int, height: int) -> bytes:
    """A WebP of a small frame that claims a canvas of this size."""
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:])
    content = bytearray(buffer.getvalue())
    content[24:30] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(content)


def _long_text(characters: int) -> bytes:
    whole = png(8, 8)
    text = _chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(characters), 9))
    return whole[:33] + text + whole[33:]
