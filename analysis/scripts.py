"""Writing systems of text pieces, by the names that Unicode gives their characters."""

from __future__ import annotations

import unicodedata
from collections import Counter
from functools import lru_cache

#: First words of Unicode character names, and the script they stand for.
_SCRIPTS = {
    "LATIN": "Latin",
    "CYRILLIC": "Cyrillic",
    "GREEK": "Greek",
    "ARABIC": "Arabic",
    "HEBREW": "Hebrew",
    "HIRAGANA": "Hiragana",
    "KATAKANA": "Katakana",
    "KATAKANA-HIRAGANA": "Katakana",
    "CJK": "Han",
    "HANGUL": "Hangul",
    "THAI": "Thai",
    "DEVANAGARI": "Devanagari",
}


def script(piece: str) -> str:
    """Script of a piece: "Latin", "Cyrillic", "Arabic", "Han", "Hangul", …

    The script of most of its letters (the earlier one where two are equal); letters of another
    script than those named here are "Other". Without letters: "Byte" for a byte-fallback piece
    such as <0xE2>, "Space" for the word mark alone, "Digit" or "Symbol" else.
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
    counts = Counter(_of_letter(character) for character in letters)
    return counts.most_common(1)[0][0]


def _of_letter(character: str) -> str:
    words = unicodedata.name(character, "").split()
    if words and words[0] in ("FULLWIDTH", "HALFWIDTH"):
        words = words[1:]
    return _SCRIPTS.get(words[0], "Other") if words else "Other"
