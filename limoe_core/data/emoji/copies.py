"""Drawings that are there twice, nearly always under two emoji, of which one stays.

OpenMoji draws Ceuta & Melilla with the flag of Spain, and Twemoji all families of two with one
silhouette. No answer could tell such pictures apart, and none is a test of what training did not
see.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from limoe_core.data.emoji.concepts import bare
from limoe_core.data.emoji.relatives import base_concept, is_plain
from limoe_core.data.pairs import new_digest
from limoe_core.data.stored import decode_pngs

#: Concept key and style of a drawing.
Drawing = tuple[str, str]


def without_copies(drawings: Mapping[Drawing, bytes]) -> dict[Drawing, bytes]:
    """Drawings of which no two have the same pixels.

    The one that stays is that of the base concept; else of one that says nothing of gender and
    direction; else the first by key and in the order of the styles.

    Args:
      drawings: PNGs as `Style.png` gives them, by concept key and style.

    Returns:
      those that stay, in their order.
    """
    place = {drawing: number for number, drawing in enumerate(drawings)}

    def rank(drawing: Drawing) -> tuple[bool, bool, str, int]:
        key, _ = drawing
        return bare(key) != base_concept(key), not is_plain(key), key, place[drawing]

    first: dict[str, Drawing] = {}
    for drawing, look in zip(drawings, _looks(list(drawings.values())), strict=True):
        first[look] = min(first.get(look, drawing), drawing, key=rank)
    stay = set(first.values())
    return {drawing: png for drawing, png in drawings.items() if drawing in stay}


def _looks(pngs: list[bytes]) -> list[str]:
    """Digest of what is seen of each drawing; what is transparent has no colour."""
    looks = []
    for pixels in decode_pngs(pngs):
        found = new_digest()
        found.update(np.where(pixels[..., 3:] > 0, pixels, 0).tobytes())
        looks.append(found.hexdigest())
    return looks
