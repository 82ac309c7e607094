"""Slices too long for the address bar: kept in the cache of whoever made them, under a digest."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from pathlib import Path

from app.shell import state
from limoe_core import places
from limoe_core.files import replacing

_MOST_KEPT = 1_000
_LONGEST_FILE = 4_000_000  # bytes
_KEPT = re.compile(r"@[0-9a-f]{20}")


def unfolded(text: str) -> str:
    """The conditions themselves, from the cache if the text is a digest.

    Raises:
      state.BadValue: they are not there.
    """
    if not text.startswith("@"):
        return text
    absent = state.BadValue(
        "this slice is long and was kept on the machine where it was made, and not here; all pairs "
        "are shown. Make it again, or open the link on that machine."
    )
    folder = places.cache("slices")
    if folder is None or not _KEPT.fullmatch(text):
        raise absent
    path = folder / f"{text[1:]}.txt"
    try:
        if path.stat().st_size > _LONGEST_FILE:
            raise absent
        found = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        raise absent from None
    if _digest(found) != text:  # damaged
        raise absent
    return found


def keep(text: str) -> str:
    """The digest of a slice, by which `unfolded` finds it again on this machine."""
    digest = _digest(text)
    folder = places.cache("slices")
    if folder is not None and len(text) <= _LONGEST_FILE:
        with replacing(folder / f"{digest[1:]}.txt") as temporary:
            temporary.write_text(text, encoding="utf-8")
        _forget_all_but(folder, _MOST_KEPT)
    return digest


def _forget_all_but(folder: Path, most: int) -> None:
    """Any reader may make slices, so the oldest give way."""
    with suppress(OSError):
        files = sorted(folder.glob("*.txt"), key=lambda file: file.stat().st_mtime)
        for file in files[: max(0, len(files) - most)]:
            file.unlink()


def _digest(text: str) -> str:
    return "@" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:20]
