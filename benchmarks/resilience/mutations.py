"""Ways to damage a file so that a decoder still takes it for a picture."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping

import numpy as np

Mutation = Callable[[np.random.Generator, bytes, Mapping[str, bytes]], bytes]

_LARGE = (0, 1, 255, 256, 8001, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1)


def flipped_bytes(rng: np.random.Generator, content: bytes, _: Mapping[str, bytes]) -> bytes:
    """Overwrite one to sixty-four bytes anywhere."""
    damaged = bytearray(content)
    for place in rng.integers(0, len(damaged), int(2 ** rng.integers(0, 7))):
        damaged[place] = int(rng.integers(0, 256))
    return bytes(damaged)


def flipped_header(rng: np.random.Generator, content: bytes, _: Mapping[str, bytes]) -> bytes:
    """Flip bits in the first sixty-four bytes, which hold sizes and kinds."""
    damaged = bytearray(content)
    for place in rng.integers(0, min(64, len(damaged)), int(rng.integers(1, 5))):
        damaged[place] ^= 1 << int(rng.integers(0, 8))
    return bytes(damaged)


def cut(rng: np.random.Generator, content: bytes, _: Mapping[str, bytes]) -> bytes:
    """Cut off the end, or a piece of the middle."""
    first, second = sorted(int(place) for place in rng.integers(0, len(content), 2))
    return content[:first] if rng.random() < 0.5 else content[:first] + content[second:]


def repeated(rng: np.random.Generator, content: bytes, _: Mapping[str, bytes]) -> bytes:
    """Repeat a piece of the file up to two hundred times."""
    first, second = sorted(int(place) for place in rng.integers(0, len(content), 2))
    times = int(rng.integers(2, 200))
    return content[:second] + content[first:second] * times + content[second:]


def spliced(rng: np.random.Generator, content: bytes, others: Mapping[str, bytes]) -> bytes:
    """Put the head of one kind of picture on the body of another."""
    other = others[list(others)[int(rng.integers(0, len(others)))]]
    head = int(rng.integers(2, 64))
    return other[:head] + content[head if rng.random() < 0.5 else 0 :]


def two_in_one(rng: np.random.Generator, content: bytes, others: Mapping[str, bytes]) -> bytes:
    """Put two whole pictures in one file, one after or inside the other."""
    other = others[list(others)[int(rng.integers(0, len(others)))]]
    place = len(content) if rng.random() < 0.5 else int(rng.integers(0, len(content)))
    return content[:place] + other + content[place:]


def large_number(rng: np.random.Generator, content: bytes, _: Mapping[str, bytes]) -> bytes:
    """Set a number in the first two hundred bytes to one that often breaks programs.

    In a PNG the header's checksum is corrected, or no decoder would read the number.
    """
    damaged = bytearray(content)
    kind = str(rng.choice(["<H", ">H", "<I", ">I"]))
    value = int(rng.choice(np.array(_LARGE))) % 2 ** (16 if kind[1] == "H" else 32)
    place = int(rng.integers(0, max(1, min(200, len(damaged)) - 4)))
    if content.startswith(b"\x89PNG") and rng.random() < 0.7:
        place = int(rng.choice([16, 20]))
        kind = ">I"
    struct.pack_into(kind, damaged, place, value)
    if content.startswith(b"\x89PNG") and len(damaged) > 33:
        damaged[29:33] = struct.pack(">I", zlib.crc32(bytes(damaged[12:29])))
    return bytes(damaged)


def noise_after_head(rng: np.random.Generator, content: bytes, _: Mapping[str, bytes]) -> bytes:
    """Keep the beginning and replace the rest with noise."""
    head = int(rng.integers(2, min(200, len(content))))
    return content[:head] + rng.bytes(int(rng.integers(0, 4000)))


MUTATIONS: tuple[Mutation, ...] = (
    flipped_bytes,
    flipped_header,
    cut,
    repeated,
    spliced,
    two_in_one,
    large_number,
    noise_after_head,
)
