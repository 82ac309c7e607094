"""Iconify packages in the layout of `npm pack`, made by tests."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

from limoe_core.data.emoji.art import PACKAGES, tarball_name

RED = '<rect width="16" height="16" fill="#f00"/>'
#: Left half green, right half empty.
HALF = '<path d="M0 0h8v16H0z" fill="#0f0"/>'


def write_package(
    path: Path, icons: dict[str, Any], characters: dict[str, str] | None = None, **more: Any
) -> None:
    """A tarball with `icons.json` and `chars.json`."""
    files = {
        "package/icons.json": {"prefix": "test", "icons": icons, **more},
        "package/chars.json": characters or {},
    }
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            data = json.dumps(content).encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def write_full_art(folder: Path) -> None:
    """All packages of the config `full`, with a red apple and half a dog each.

    Each has a mark of its own at the top, or they would be copies of each other.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for place, style in enumerate(PACKAGES):
        mark = f'<rect x="{place}" width="1" height="1" fill="#00f"/>'
        icons = {"red-apple": {"body": RED + mark}, "dog": {"body": HALF + mark}}
        known = {"1f34e": "red-apple", "1f415": "dog"} if "noto" in style else {}
        write_package(folder / tarball_name(style), icons, known)
