"""Bounds on what a small file can make a decoder do, apart from the number of its pixels."""

from __future__ import annotations

import io
import struct

from limoe_core.data.pictures.errors import PictureError

#: Limit on a JPEG's scans. A progressive one has about ten; each is decoded over the whole picture,
#: and a small file can hold thousands.
MAX_SCANS = 100
#: Limit on a JPEG's EXIF records, which Pillow joins one by one. A photo has one.
MAX_RECORDS = 100
#: Limit on how often Pillow may read or seek in a file: it walks over chunks, segments, blocks and
#: pages in Python, and each takes at least one. A PNG of 64 MiB in chunks of 4 KiB takes 70,000.
MAX_STEPS = 400_000
#: Limit on the strips or tiles of a TIFF, for each of which Pillow makes an object.
MAX_TILES = 100_000
#: Limit on the numbers of any other entry of a TIFF, and on its fractions; Pillow makes an object
#: of each. Tables of curves have 3 × 65,536 numbers, and no known entry has more than 6 fractions.
MAX_NUMBERS, MAX_FRACTIONS = 200_000, 1_000
#: Limits on a PPM that is written as text, which Pillow reads in Python: its bytes, and its
#: comments, for each of which it goes through the text again.
MAX_PLAIN, MAX_COMMENTS = 8 * 2**20, 100
#: Longest side of a picture in an icon, in pixels; an icon's own header cannot say more than 256.
MAX_ICON = 1024

_PNG = b"\x89PNG\r\n\x1a\n"
_STRIP_OFFSETS, _TILE_OFFSETS = 273, 324
#: Types of TIFF entries: bytes of some kind, and fractions. All others are numbers.
_BYTES, _FRACTIONS = (1, 2, 7), (5, 10)


class Content(io.BytesIO):
    """A file's content that can be read and sought in a bounded number of times."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.steps = 0
        """Reads and seeks so far."""

    def read(self, size: int | None = -1, /) -> bytes:
        """See `io.BytesIO`.

        Raises:
          PictureError: the file takes too many steps.
        """
        self._step()
        return super().read(size)

    def seek(self, place: int, whence: int = 0, /) -> int:
        """See `io.BytesIO`.

        Raises:
          PictureError: the file takes too many steps.
        """
        self._step()
        return super().seek(place, whence)

    def _step(self) -> None:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise PictureError(
                f"The file consists of more than {MAX_STEPS:,} parts, which take too long to read. "
                "Save it anew."
            )


def check_structure(content: bytes) -> None:
    """Looks for what Pillow would do in full before anyone could stop it.

    Raises:
      PictureError: a JPEG has too many scans or EXIF records, a TIFF too many strips, tiles or
        numbers, a PPM in text too many bytes or comments, or an icon holds a large picture.
    """
    if content.startswith(b"\xff\xd8"):
        _check_jpeg(content)
    if content[:2] in (b"II", b"MM"):
        _check_tiff(content)
    if content[:2] in (b"P1", b"P2", b"P3"):
        _check_plain(content)
    if content.startswith(b"\0\0\1\0") and _icon_side(content) > MAX_ICON:
        raise PictureError(
            f"The icon holds a picture of more than {MAX_ICON:,} pixels along a side. Save it as a "
            "PNG."
        )


def _check_jpeg(content: bytes) -> None:
    # Within the data of a scan 0xFF is followed by a zero, so these two bytes start a scan, or
    # one of a few in a preview.
    if content.count(b"\xff\xda") > MAX_SCANS:
        raise PictureError(
            f"The JPEG consists of more than {MAX_SCANS} scans, which take too long to decode. "
            "Save it anew."
        )
    if content.count(b"Exif\0\0") > MAX_RECORDS:
        raise PictureError(
            f"The JPEG has more than {MAX_RECORDS} EXIF records, which take too long to read. Save "
            "it anew."
        )


def _check_tiff(content: bytes) -> None:
    for tag, kind, count in _entries(content):
        if tag in (_STRIP_OFFSETS, _TILE_OFFSETS) and count > MAX_TILES:
            raise PictureError(
                f"The TIFF consists of more than {MAX_TILES:,} strips or tiles, which take too "
                "long to read. Save it anew."
            )
        if kind not in _BYTES and count > (MAX_FRACTIONS if kind in _FRACTIONS else MAX_NUMBERS):
            raise PictureError(
                f"The TIFF has an entry (tag {tag}) of {count:,} numbers, which take too long to "
                "read. Save it anew."
            )


def _check_plain(content: bytes) -> None:
    if len(content) > MAX_PLAIN or content.count(b"#") > MAX_COMMENTS:
        raise PictureError(
            f"The PPM is written as text, with more than {MAX_PLAIN // 2**20} MiB or "
            f"{MAX_COMMENTS} comments, which take too long to read. Save it as a PNG."
        )


def _entries(content: bytes) -> list[tuple[int, int, int]]:
    """Tag, type and count of each entry of a TIFF's first page."""
    order = "<" if content.startswith(b"II") else ">"
    # A BigTIFF (43) has a longer header and longer entries than a TIFF (42).
    big = content[2:4] in (b"\x2b\0", b"\0\x2b")
    start, counted, entry = ("Q", "Q", "HHQQ") if big else ("I", "H", "HHII")
    try:
        (page,) = struct.unpack_from(order + start, content, 8 if big else 4)
        (entries,) = struct.unpack_from(order + counted, content, page)
        page += struct.calcsize(order + counted)
        size = struct.calcsize(order + entry)
        # Pillow reads as many entries as a TIFF can hold.
        table = content[page : page + min(entries, 0xFFFF) * size]
        found = struct.iter_unpack(order + entry, table[: len(table) // size * size])
        return [(tag, kind, count) for tag, kind, count, _ in found]
    except (struct.error, OverflowError):
        return []  # Damaged, which Pillow says better.


def _icon_side(content: bytes) -> int:
    """The longest side of any picture in an icon, which Pillow decodes whatever its size."""
    longest = 0
    try:
        (count,) = struct.unpack_from("<H", content, 4)
        for number in range(count):
            (place,) = struct.unpack_from("<I", content, 6 + 16 * number + 12)
            if content.startswith(_PNG, place):
                width, height = struct.unpack_from(">II", content, place + 16)
            else:  # a bitmap, whose mask doubles its height
                width, height = struct.unpack_from("<ii", content, place + 4)
                width, height = abs(width), abs(height) // 2
            longest = max(longest, width, height)
    except struct.error:
        pass  # Damaged, which Pillow says better.
    return longest
