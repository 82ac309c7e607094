"""Arrays in .npz files, read without trust in whoever made them.

What an archive claims is added up and compared with its arrays' headers before memory is taken for
any of it, so that a few bytes cannot ask for all of it.
"""

from __future__ import annotations

import math
import zipfile
from typing import BinaryIO

import numpy as np

#: Most bytes that the arrays of one file may take together.
MOST_BYTES = 2**28
_MOST_MEMBERS = 64
# Of an archive's own table of its members.
_LONGEST_READ = 2**20
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
#: Whole and real numbers, truth values and text; no objects, records, dates or complex numbers.
_KINDS = "biufU"


class ArraysError(ValueError):
    """An archive that is not read, and why."""


def read_arrays(file: BinaryIO, most: int = MOST_BYTES) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name, as `np.load` reads them.

    Args:
      most: bytes that they may take together.

    Raises:
      ArraysError: they are too large, too many, of a kind that is not read, or not what the
        archive says.
      OSError, ValueError, zipfile.BadZipFile, zlib.error and others: the file is damaged.
    """
    with zipfile.ZipFile(_InPortions(file)) as archive:
        members = archive.infolist()
        if len(members) > _MOST_MEMBERS:
            raise ArraysError(f"it has {len(members):,} members; at most {_MOST_MEMBERS} are read")
        if len({member.filename for member in members}) < len(members):
            raise ArraysError("it has several members of one name")
        claimed = sum(member.file_size for member in members)
        if claimed > most:
            raise ArraysError(
                f"its arrays take {claimed / 2**20:,.0f} MiB; at most {most / 2**20:,.0f} are read"
            )
        return {member.filename.removesuffix(".npy"): _read(archive, member) for member in members}


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as content:
        version = np.lib.format.read_magic(content)
        if version not in _HEADERS:
            raise ArraysError(f"{member.filename[:40]!r} is an array of another format")
        shape, _, dtype = _HEADERS[version](content)
        if dtype.kind not in _KINDS:
            raise ArraysError(f"{member.filename[:40]!r} holds no plain numbers or texts")
        size = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or size != member.file_size - content.tell():
            raise ArraysError(f"{member.filename[:40]!r} is not as large as it says")
        if math.prod(shape) > member.file_size:  # of texts without a letter, which take no room
            raise ArraysError(f"{member.filename[:40]!r} has more entries than bytes")
    with archive.open(member) as content:
        return np.lib.format.read_array(content, allow_pickle=False)


class _InPortions:
    """A file that refuses to be read in large portions.

    Arrays are read in small ones. A large one is the table of an archive of millions of members,
    which `zipfile` reads, and makes objects of, before anyone could count them.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        found = self._file.read(_LONGEST_READ + 1 if size < 0 else min(size, _LONGEST_READ + 1))
        if len(found) > _LONGEST_READ:
            raise ArraysError("it has too many members")
        return found
