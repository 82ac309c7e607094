"""Small files that demand much memory or time."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image


def bombs() -> dict[str, bytes]:
    """Files by name; each should be refused, or read at a bounded cost."""
    return {
        "a PNG of 60,000 × 60,000": png(60_000, 60_000),
        "a PNG of 2³¹ × 2³¹": png(2**31 - 1, 2**31 - 1),
        "a PNG just under the limit": png(8_000, 8_000),
        "a PNG just over the limit": png(8_001, 8_000),
        "a PNG of one row of 60 million": png(60_000_000, 1),
        "an ICO with a PNG of 13,000 × 13,000": ico(png(13_000, 13_000)),
        "a GIF of 65,535 × 65,535": _gif(65_535, 65_535, frames=1),
        "a GIF of 20,000 frames": _gif(64, 64, frames=20_000),
        "a BMP of 2³¹ × 2³¹": _bmp(2**31 - 1, 2**31 - 1),
        "a PPM of 99,999 × 99,999": b"P6 99999 99999 255\n" + bytes(100),
        "a JPEG of 20,000 scans": scans(20_000),
        "a JPEG of 300 EXIF records": _records(300),
        "a TIFF whose pages are a ring": _ring(),
        "a TIFF of 100,000 pages": pages(100_000),
        "a TIFF of 4 million strips": strips(4_000_000, 1),
        "a TIFF of 20,000 strips of all its pixels": strips(20_000, 1999),
        "a PNG of a million chunks": _chunks(1_000_000),
        "a GIF with a comment in 8 million blocks": _comment(8_000_000),
        "a PNG with a colour profile of 50 million bytes": _profile(50_000_000),
        "a WebP canvas of 16,383 × 16,383": _webp(16_383, 16_383),
        "a PNG with a text of 50 million characters": _long_text(50_000_000),
    }


def png(width: int, height: int) -> bytes:
    """A PNG of this many black pixels, as small as the format allows."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = (width + 1) * height if (width + 1) * height < 2**28 else 1000
    packer = zlib.compressobj(9)
    body = bytearray()
    for _ in range(0, rows, 2**20):
        body += packer.compress(bytes(2**20))
    body += packer.flush()
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", bytes(body)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


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


def pages(count: int) -> bytes:
    """A TIFF of this many pages of one pixel, as small as they get."""
    out = bytearray(b"II*\0" + struct.pack("<I", 8))
    tags = {256: 1, 257: 1, 258: 8, 259: 1, 262: 1, 273: 4, 279: 1}
    for number in range(count):
        following = len(out) + 2 + 12 * len(tags) + 4
        out += struct.pack("<H", len(tags))
        out += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
        out += struct.pack("<I", following if number < count - 1 else 0)
    return bytes(out)


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
