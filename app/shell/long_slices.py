"""Slices too long for the address bar: kept in the cache of whoever made them, under a digest.

One that cannot be kept there, as on a full disk, is kept in the reader's session instead.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from pathlib import Path

import streamlit as st

from app.shell import state
from limoe_core import places
from limoe_core.files import replacing

_MOST_KEPT = 1_000
_LONGEST_FILE = 4_000_000  # bytes
_KEPT = re.compile(r"@[0-9a-f]{20}")
_NOT_KEPT = "slice.not kept"  # session: digest -> the text of a slice, and why it is here alone
_MOST_NOT_KEPT = 8


def unfolded(text: str) -> str:
    """The conditions themselves, from the cache if the text is a digest.

    Raises:
      state.BadValue: they are not there.
    """
    if not text.startswith("@"):
        return text
    if text in (here := _not_kept()):
        return here[text][0]
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
    """The digest of a slice, by which `unfolded` finds it again: on this machine if it can be."""
    digest = _digest(text)
    try:
        _write(digest, text)
    except OSError as error:
        here = _not_kept()
        here[digest] = text, error.strerror or str(error)
        for oldest in list(here)[:-_MOST_NOT_KEPT]:
            del here[oldest]
    return digest


def why_not_kept(text: str) -> str | None:
    """Why a slice could not be kept on this machine; None if it was, or need not be."""
    here = _not_kept()
    return here[digest][1] if here and (digest := _digest(text)) in here else None


def _write(digest: str, text: str) -> None:
    folder = places.cache("slices")
    if folder is None:
        raise OSError("no folder for such files can be written")
    if len(text) > _LONGEST_FILE:
        raise OSError(f"it has more than {_LONGEST_FILE:,} characters")
    with replacing(folder / f"{digest[1:]}.txt") as temporary:
        temporary.write_text(text, encoding="utf-8")
    _forget_all_but(folder, _MOST_KEPT)


def _not_kept() -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = st.session_state.setdefault(_NOT_KEPT, {})
    return found


def _forget_all_but(folder: Path, most: int) -> None:
    """Any reader may make slices, so the oldest give way."""
    with suppress(OSError):
        files = sorted(folder.glob("*.txt"), key=lambda file: file.stat().st_mtime)
        for file in files[: max(0, len(files) - most)]:
            file.unlink()


def _digest(text: str) -> str:
    return "@" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:20]
