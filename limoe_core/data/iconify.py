"""Sets of icons in Iconify's JSON format: one file of SVG bodies a set.

Source: https://iconify.design/docs/types/iconify-json.html
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class IconSet:
    """The drawings of one set by name."""

    icons: Mapping[str, dict]
    aliases: Mapping[str, dict]
    width: float
    height: float
    characters: Mapping[str, str]
    """Name of the drawing of a character, by its code points in hexadecimal; empty in most sets."""
    left: float = 0
    top: float = 0

    @classmethod
    def of(cls, content: Mapping[str, Any], characters: Mapping[str, str] | None = None) -> IconSet:
        """A set from the content of its JSON file."""
        return cls(
            icons=content["icons"],
            aliases=content.get("aliases", {}),
            width=content.get("width", 16),
            height=content.get("height", 16),
            characters=characters or {},
            left=content.get("left", 0),
            top=content.get("top", 0),
        )

    @classmethod
    def read(cls, tarball: Path) -> IconSet:
        """Read a package of one set as `npm pack` leaves it."""
        with tarfile.open(tarball, "r:gz") as archive:
            icons = _json_member(archive, "package/icons.json")
            characters = _json_member(archive, "package/chars.json")
        return cls.of(icons, characters)

    def slugs(self) -> list[str]:
        """Every name of a drawing, drawings themselves before aliases."""
        return [*self.icons, *self.aliases]

    def original(self, slug: str) -> tuple[str, bool]:
        """The drawing that an alias stands for, and whether it is drawn as it is (not turned)."""
        plain = True
        while slug in self.aliases:
            entry = self.aliases[slug]
            plain = plain and not any(entry.get(key) for key in ("hFlip", "vFlip", "rotate"))
            slug = entry["parent"]
        return slug, plain

    def svg(self, slug: str) -> str:
        """The drawing as an SVG document, centred in a square view box."""
        turns = []
        while slug in self.aliases:
            turns.append(self.aliases[slug])
            slug = self.aliases[slug]["parent"]
        icon = self.icons[slug]
        width, height = icon.get("width", self.width), icon.get("height", self.height)
        left, top = icon.get("left", self.left), icon.get("top", self.top)
        middle_x, middle_y = left + width / 2, top + height / 2
        body = icon["body"]
        for turn in (icon, *reversed(turns)):
            body = _turned(body, turn, middle_x, middle_y)
        side = max(width, height)
        box = f"{middle_x - side / 2:g} {middle_y - side / 2:g} {side:g} {side:g}"
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="{box}">{body}</svg>'
        )


def draw(svg: str, side: int) -> bytes:
    """An SVG as a square PNG, RGBA, of that side in pixels.

    Raises:
      ValueError: it is not an SVG.
    """
    import resvg_py

    # No system fonts: the drawings must not depend on what a machine has installed.
    return bytes(
        resvg_py.svg_to_bytes(svg_string=svg, width=side, height=side, skip_system_fonts=True)
    )


def _json_member(archive: tarfile.TarFile, name: str) -> dict:
    member = archive.extractfile(name)
    if member is None:
        raise ValueError(f"{name} is missing from the package")
    return json.load(member)


def _turned(body: str, turn: Mapping[str, object], x: float, y: float) -> str:
    across, down = (-1 if turn.get(key) else 1 for key in ("hFlip", "vFlip"))
    angle = 90 * int(turn.get("rotate", 0) or 0)  # type: ignore[call-overload]
    if across == down == 1 and angle % 360 == 0:
        return body
    move = f"translate({x:g} {y:g}) rotate({angle}) scale({across} {down}) translate({-x:g} {-y:g})"
    return f'<g transform="{move}">{body}</g>'
