"""Pictures of our own sets that are too many for memory: read from disk and decoded on access."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from limoe_core.data.pairs import SIDE, PictureStore, new_digest
from limoe_core.data.pictures.opening import open_picture
from limoe_core.data.records import encoded_pictures
from limoe_core.data.threads import each


@dataclass(frozen=True, eq=False)
class StoredPictures:
    """Pictures that lie on disk as PNGs of `SIDE` pixels."""

    source: Any
    """Records with their encoded picture."""
    records: Int64[np.ndarray, " n"]
    """Number of each picture's record."""
    content: str
    """What the survey says of them."""

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "72 72 4"]:
        return self.batch([index])[0]

    def batch(self, indices: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "b 72 72 4"]:
        """Several pictures at once."""
        records = self.records[np.asarray(indices, np.intp).reshape(-1)].tolist()
        return decode_pngs(encoded_pictures(self.source, records))

    def digest(self) -> str:
        """See `PictureStore.digest`; of the encoded pictures."""
        return self.content


@dataclass(frozen=True, eq=False)
class JoinedPictures:
    """The pictures of several stores, one store after the other."""

    stores: Sequence[PictureStore]
    places: Sequence[np.ndarray]
    """Of each store (m,) int64: which of its pictures are taken, in this order."""

    def __len__(self) -> int:
        return sum(map(len, self.places))

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "72 72 4"]:
        return self.batch([index])[0]

    def batch(self, indices: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "b 72 72 4"]:
        """Several pictures at once."""
        wanted = np.asarray(indices, np.intp).reshape(-1)
        out = np.empty((len(wanted), SIDE, SIDE, 4), np.uint8)
        start = 0
        for store, places in zip(self.stores, self.places, strict=True):
            here = (wanted >= start) & (wanted < start + len(places))
            if here.any():
                out[here] = store.batch(places[wanted[here] - start])
            start += len(places)
        return out

    def digest(self) -> str:
        """See `PictureStore.digest`; of the stores and which of their pictures are taken."""
        found = new_digest()
        for store, places in zip(self.stores, self.places, strict=True):
            found.update(store.digest().encode())
            found.update(places.astype("<i8").tobytes())
        return found.hexdigest()


def decode_pngs(encoded: Sequence[bytes]) -> UInt8[np.ndarray, "n 72 72 4"]:
    """PNGs of `SIDE` pixels as RGBA."""
    pixels = np.empty((len(encoded), SIDE, SIDE, 4), np.uint8)

    def decode(index: int) -> None:
        pixels[index] = np.asarray(open_picture(encoded[index])[0].convert("RGBA"))

    for _ in each(decode, range(len(encoded))):
        pass
    return pixels
