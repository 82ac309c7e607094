"""Archives of arrays that lie about what they hold, or hold far too much."""

from __future__ import annotations

import dataclasses
import io
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.resilience.hostile.cases import Harm, put

_MIB = 2**20
#: Bytes that the bombs inflate to.
BOMB = 6 * 2**30


def of_an_archive(array: str) -> Iterator[Harm]:
    """What may be wrong with an .npz file whose array `array` every reader wants."""
    header = partial(_header, array)
    none = _member(_npy("'<f4'", "(0,)"))
    many = {f"m{number}.npy": none for number in range(20_000)}
    astray = {"../../escape.npy": none, "/etc/escape.npy": none}
    changes: tuple[tuple[str, str, Callable[[Path], None]], ...] = (
        (
            "bomb",
            "zeros that inflate to 6 GiB",
            lambda path: put(path, _zip({f"{array}.npy": zeros(BOMB)})),
        ),
        (
            "bomb-further",
            "a further array that inflates to 6 GiB",
            lambda path: _with({"further.npy": zeros(BOMB)}, path),
        ),
        ("pickle", "an array of pickled objects", partial(_objects, array)),
        ("many", "20,000 members", partial(_with, many)),
        ("astray", "members named ../ and /", partial(_with, astray)),
        ("encrypted", "members marked as encrypted", partial(_changed, flags=1)),
        ("method", "an unknown compression", partial(_changed, method=99)),
        ("twice", "every member twice", _twice),
        ("claims", "members that claim 6 GiB and hold less", partial(_changed, size=BOMB)),
        ("checksum", "members with a wrong checksum", partial(_changed, checksum=1)),
    )
    yield from (Harm(*change) for change in changes)
    shapes: Mapping[str, str] = {
        "enormous": "(1000000000000,)",
        "product": "(4294967296, 4294967296)",
        "negative": "(-1,)",
        "digits": f"({'9' * 400},)",
        "deep": f"({'1,' * 100})",
        "none": "None",
        "text": "('a',)",
    }
    for name, shape in shapes.items():
        wrong = f"a header with the shape {shape[:40]}"
        yield Harm(f"shape-{name}", wrong, partial(header, "'<f4'", shape))
    for name, dtype in {
        "object": "'|O'",
        "void": "'|V1000000000'",
        "text": "'<U500000000'",
        "nothing": "'<U0'",
        "record": "[('a', '<f4'), ('b', '|O')]",
        "unknown": "'banana'",
        "date": "'<M8[ns]'",
    }.items():
        yield Harm(
            f"dtype-{name}", f"a header with the type {dtype}", partial(header, dtype, "(3,)")
        )


@dataclass(frozen=True)
class Member:
    """A member of an archive, as it is written down, true or not."""

    packed: bytes
    size: int
    """Bytes that it claims to inflate to."""
    method: int = zipfile.ZIP_STORED
    flags: int = 0
    checksum: int = 0


def zeros(size: int) -> Member:
    """A float32 array of zeros, of `size` bytes and a thousandth of that on disk."""
    start = _npy("'<f4'", f"({size // 4},)")
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(_MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    last = packer.flush()
    # A flushed block stands alone, so that it can be repeated. The checksum is not worth the time:
    # who gets as far as that has inflated everything.
    packed = first + block * (size // _MIB) + last
    return Member(packed, len(start) + size, zipfile.ZIP_DEFLATED)


def _npy(dtype: str, shape: str) -> bytes:
    """An .npy file up to its first number."""
    text = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(10 + len(text) + 1) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def _zip(members: Mapping[str, Member]) -> bytes:
    body, directory = io.BytesIO(), io.BytesIO()
    for name, member in members.items():
        size = min(member.size, 0xFFFFFFFF)
        extra = struct.pack("<HHQ", 1, 8, member.size) if size == 0xFFFFFFFF else b""
        common = struct.pack("<HHHHH", 45, member.flags, member.method, 0, 33)
        common += struct.pack("<III", member.checksum, len(member.packed), size)
        common += struct.pack("<HH", len(name), len(extra))
        place = body.tell()
        body.write(b"PK\x03\x04" + common + name.encode() + extra + member.packed)
        directory.write(b"PK\x01\x02" + struct.pack("<H", 45) + common)
        directory.write(struct.pack("<HHHII", 0, 0, 0, 0, place) + name.encode() + extra)
    start, listed = body.tell(), directory.getvalue()
    end = struct.pack("<HHHHIIH", 0, 0, len(members), len(members), len(listed), start, 0)
    return body.getvalue() + listed + b"PK\x05\x06" + end


def _stored(path: Path, **changes: int) -> dict[str, Member]:
    """The members of an archive, not compressed."""
    with zipfile.ZipFile(path) as archive:
        return {name: _member(archive.read(name), **changes) for name in archive.namelist()}


def _member(content: bytes, **changes: int) -> Member:
    whole = Member(content, len(content), checksum=zlib.crc32(content))
    return dataclasses.replace(whole, **changes)  # type: ignore[arg-type]


def _changed(path: Path, **changes: int) -> None:
    put(path, _zip(_stored(path, **changes)))


def _with(members: Mapping[str, Member], path: Path) -> None:
    put(path, _zip({**_stored(path), **members}))


def _header(array: str, dtype: str, shape: str, path: Path) -> None:
    _with({f"{array}.npy": _member(_npy(dtype, shape) + bytes(64))}, path)


def _objects(array: str, path: Path) -> None:
    held = io.BytesIO()
    np.save(held, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    _with({f"{array}.npy": _member(held.getvalue())}, path)


def _twice(path: Path) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of the very thing that is wanted
        for name, member in 2 * list(_stored(path).items()):
            archive.writestr(name, member.packed)
    put(path, held.getvalue())
