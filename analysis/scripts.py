"""Writing systems of text pieces, from Unicode's own table of scripts."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

from fontTools import unicodedata

#: Unicode's code for letters that several scripts share, such as the ー of Japanese.
_SHARED = "Zyyy"


def script(piece: str) -> str:
    """Script of a piece by its Unicode name: "Latin", "Cyrillic", "Han", "Hangul", …

    The script of most of its letters (the earlier one where two are equal); letters that several
    scripts share count only where there are no others, as "Common". Without letters: "Byte" for a
    byte-fallback piece such as <0xE2>, "Space" for the word mark alone, else "Digit" or "Symbol".
    """
    return _script(str(piece))


@lru_cache(maxsize=65536)
def _script(piece: str) -> str:
    if len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">"):
        return "Byte"
    text = piece.replace("\u2581", "")
    if not text.strip():
        return "Space"
    letters = [character for character in text if unicodedata.category(character)[0] == "L"]
    if not letters:
        return "Digit" if any(character.isdigit() for character in text) else "Symbol"
    codes = [unicodedata.script(letter) for letter in letters]
    counts = Counter([code for code in codes if code != _SHARED] or codes)
    return unicodedata.script_name(counts.most_common(1)[0][0])
