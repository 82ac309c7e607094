"""Copies among drawings: the same drawing in two sets, or under two names."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int, UInt8
from PIL import Image

_GREY, _COLOUR = 16, 4
#: Numbers in a thumbnail: 16×16 grey levels, then 4×4 colours.
LENGTH = _GREY * _GREY + 3 * _COLOUR * _COLOUR

# Two drawings are copies if their thumbnails differ by so many levels of 255 at most: on average,
# which forgives another rendering, and at any place, which tells a plus in a corner from a cross.
_MEAN, _MOST = 3.0, 40
_AT_ONCE = 65_536
#: Levels from white up to which a pixel counts as empty.
_FAINT = 8


def thumbnail(picture: Image.Image) -> UInt8[np.ndarray, " length"] | None:
    """What a drawing looks like, whatever its size and the room around it; None if it is blank.

    Args:
      picture: RGBA.
    """
    white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
    flat = Image.alpha_composite(white, picture).convert("RGB")
    ink = 255 - np.asarray(flat).min(axis=2).astype(np.float32)
    if ink.max() <= _FAINT:
        return None
    left, right = _extent(ink.max(axis=0))
    top, bottom = _extent(ink.max(axis=1))
    side = max(right - left, bottom - top)
    # The smallest square around the ink, which may reach beyond the picture.
    roomy = Image.new("RGB", (2 * flat.width, 2 * flat.height), (255, 255, 255))
    roomy.paste(flat, (flat.width // 2, flat.height // 2))
    x = flat.width // 2 + (left + right - side) / 2
    y = flat.height // 2 + (top + bottom - side) / 2
    box = (x, y, x + side, y + side)

    def seen(image: Image.Image, cells: int) -> np.ndarray:
        small = image.resize((cells, cells), Image.Resampling.BILINEAR, box=box)
        return np.asarray(small).ravel()

    return np.concatenate([seen(roomy.convert("L"), _GREY), seen(roomy, _COLOUR)])


def _extent(ink: Float32[np.ndarray, " pixels"]) -> tuple[float, float]:
    """Where ink begins and ends along an axis, in pixels; an edge of half the ink is half in."""
    inked = np.flatnonzero(ink > _FAINT)
    first, last, full = int(inked[0]), int(inked[-1]), float(ink.max())
    return first + 1 - float(ink[first]) / full, last + float(ink[last]) / full


def copy_groups(thumbnails: UInt8[np.ndarray, "n length"]) -> Int[np.ndarray, " n"]:
    """Number of each drawing's group: copies, and copies of copies, have the same."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import KDTree

    count = len(thumbnails)
    if not count:
        return np.zeros(0, np.int32)
    # A block's mean differs by no more than its pixels do on average, so no copy is missed.
    block = _GREY // 4
    grey = thumbnails[:, : _GREY * _GREY].reshape(count, 4, block, 4, block)
    blocks = grey.mean(axis=(2, 4), dtype=np.float32).reshape(count, 16)
    pairs = KDTree(blocks).query_pairs(16 * _MEAN, p=1, output_type="ndarray")
    same = np.zeros(len(pairs), bool)
    for start in range(0, len(pairs), _AT_ONCE):
        some = pairs[start : start + _AT_ONCE]
        first, second = (thumbnails[some[:, side]].astype(np.int16) for side in (0, 1))
        apart = np.abs(first - second)
        close = apart[:, : _GREY * _GREY].mean(axis=1) <= _MEAN
        same[start : start + _AT_ONCE] = close & (apart.max(axis=1) <= _MOST)
    links = pairs[same]
    graph = coo_array((np.ones(len(links), bool), (links[:, 0], links[:, 1])), (count, count))
    return connected_components(graph, directed=False)[1]
