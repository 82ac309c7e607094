"""Characters that nobody sees, made visible or left out."""

from __future__ import annotations

import unicodedata

#: Embeddings, overrides and isolates of direction; marks that only letters feel are left alone.
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def cleaned(text: str, longest: int) -> str:
    """`text` with its lines and blanks, cut if it is long, and without halves of characters."""
    text = text.replace("\0", "")
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return cut.encode("utf-8", "replace").decode("utf-8")


def seen(text: str, keep: str = "") -> str:
    """`text` with control characters and those that turn the direction shown by their number.

    So that no name can pass for another one. Halves of characters, which no message to a browser
    may hold, are shown alike.

    Args:
      keep: characters that are left as they are.
    """
    if text.isprintable():
        return text
    return "".join(f"[U+{ord(c):04X}]" if c not in keep and _unseen(c) else c for c in text)


def _unseen(character: str) -> bool:
    return character in _TURNS or unicodedata.category(character) in ("Cc", "Cs")
