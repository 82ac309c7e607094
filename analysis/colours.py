"""One colour and one name per expert, the same on every page and in every figure.

The first eight colours were found by search: the two most similar ones are as far apart as could
be had in the Oklab space, for full colour vision and for each of the three kinds of
dichromacy (simulated with the matrices of Machado, Oliveira and Fernandes 2009), among colours
that stand out from a white and from a near-black page. The others follow greedily, each as far as
possible from those before it. Beyond eight no set of colours is safe for every eye, so every expert
has a pattern too: two of the first 32 with the same pattern are at least 0.08 apart for every eye,
where the colours alone would be 0.025 apart. A figure writes the expert's name wherever there is
room, and has the pattern where areas touch or where there is no room.
"""

from __future__ import annotations

import re
from typing import Literal

from analysis.errors import AnalysisError

Modality = Literal["image", "text"]

EXPERT_COLOURS: tuple[str, ...] = (
    "#4B3CD2", "#E1B400", "#C31E78", "#5A9600", "#78C3FF", "#784B00", "#B469FF", "#FF7896",
    "#007896", "#00B4A5", "#B4695A", "#5AD23C", "#872DA5", "#7896D2", "#00693C", "#7869D2",
    "#E1A5F0", "#B40F00", "#F05A00", "#C3965A", "#D25AB4", "#873C5A", "#0069F0", "#FFA578",
    "#96C387", "#A596FF", "#965A96", "#F03C69", "#009678", "#5A4B87", "#966900", "#F078FF",
)  # fmt: skip

#: Patterns by their names in Plotly: none, dots, lines across, lines down, crosses. Slanted lines
#: are left to text tokens in bars, and to what was dropped.
PATTERNS: tuple[str, ...] = ("", ".", "-", "|", "x")
#: The pattern of each of the colours above, as a place in `PATTERNS`.
_PATTERN_OF = "00000000444321334114241123123322"

#: Image and text, told apart by lightness too.
MODALITY_COLOURS: dict[str, str] = {"image": "#2F7FD0", "text": "#F0A030"}

#: Roles of experts: their modality's colour, paler where they only lean, grey where they are dead.
ROLE_COLOURS: dict[str, str] = {
    "image": "#2F7FD0",
    "leaning image": "#9CC4EC",
    "mixed": "#8A63B8",
    "leaning text": "#F7CF95",
    "text": "#F0A030",
    "dead": "#8C8C8C",
}


def expert_colour(expert: int) -> str:
    """Colour of an expert as "#RRGGBB"; they repeat after 32."""
    if expert < 0:
        raise ValueError(f"experts are counted from 0; there is no expert {expert}")
    return EXPERT_COLOURS[expert % len(EXPERT_COLOURS)]


def expert_pattern(expert: int) -> str:
    """Pattern of an expert, one of `PATTERNS`; those that share a colour have different ones."""
    if expert < 0:
        raise ValueError(f"experts are counted from 0; there is no expert {expert}")
    again, place = divmod(expert, len(EXPERT_COLOURS))
    return PATTERNS[(int(_PATTERN_OF[place]) + again) % len(PATTERNS)]


def expert_label(expert: int) -> str:
    """Name of an expert, counted from 0 as in the arrays: "E0", "E1", …"""
    return f"E{expert}"


def text_colour(background: str) -> str:
    """Black or white as "#RRGGBB", whichever has the better contrast on this background.

    Raises:
      AnalysisError: the background is not "#RRGGBB".
    """
    if not re.fullmatch("#[0-9A-Fa-f]{6}", background):
        raise AnalysisError(f"a colour is written as #RRGGBB, not {background!r}")
    light = luminance(background)
    return "#000000" if (light + 0.05) ** 2 > 0.05 * 1.05 else "#FFFFFF"


def luminance(colour: str) -> float:
    """Relative luminance of "#RRGGBB" by WCAG 2: 0 for black, 1 for white."""
    red, green, blue = (_linear(int(colour[i : i + 2], 16) / 255) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast ratio of two colours, from 1 (the same) to 21 (black and white)."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
