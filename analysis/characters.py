"""Invisible characters, made visible or removed."""

from __future__ import annotations

import unicodedata

#: Embeddings, overrides and isolates of direction; not the marks that affect only one letter.
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
#: What takes no room: soft hyphen, zero-width space, word joiner and the like, byte order mark. Not
#: the joiners, which shape letters and emoji.
_NO_ROOM = frozenset("\u00ad\u200b\u2060\u2061\u2062\u2063\u2064\ufeff")


def cleaned(text: str, longest: int) -> str:
    """Text cut to `longest` characters, without NULs and lone surrogates."""
    text = text.replace("\0", "")
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return cut.encode("utf-8", "replace").decode("utf-8")


def seen(text: str, keep: str = "") -> str:
    """Text with control, direction-changing and zero-width characters shown as "[U+202E]".

    So no name can pass for another one. Lone surrogates, which cannot be sent to a browser, are
    shown in the same way.

    Args:
      keep: characters that are left as they are.
    """
    if text.isprintable():
        return text
    return "".join(f"[U+{ord(c):04X}]" if c not in keep and _unseen(c) else c for c in text)


def _unseen(character: str) -> bool:
    if character in _TURNS or character in _NO_ROOM:
        return True
    return unicodedata.category(character) in ("Cc", "Cs")
