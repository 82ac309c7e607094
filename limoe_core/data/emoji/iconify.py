"""Reader of art styles in Iconify JSON: one file of SVG bodies per style.

Some packages give the code points of each drawing (`chars.json`). The others only have slugs such
as `flag-for-germany` or `clock4thirty`; those are matched with names of the concepts, and a slug
that could mean two concepts is left alone: a missing drawing costs less than a wrong one.
"""

from __future__ import annotations

import json
import re
import tarfile
import unicodedata
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from limoe_core.data.emoji.concepts import Concept, bare


@dataclass(frozen=True)
class IconSet:
    """One Iconify package.

    Source: Iconify's JSON format, https://iconify.design/docs/types/iconify-json.html
    """

    icons: Mapping[str, dict]
    aliases: Mapping[str, dict]
    width: float
    height: float
    characters: Mapping[str, str]
    """Slug by bare key (upper-case code points without FE0F); empty in some packages."""

    @classmethod
    def read(cls, tarball: Path) -> IconSet:
        """Read a package as `npm pack` leaves it."""
        with tarfile.open(tarball, "r:gz") as archive:
            icons = _json_member(archive, "package/icons.json")
            characters = _json_member(archive, "package/chars.json")
        return cls(
            icons=icons["icons"],
            aliases=icons.get("aliases", {}),
            width=icons.get("width", 16),
            height=icons.get("height", 16),
            characters={bare(code.upper()): slug for code, slug in characters.items()},
        )

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
        left, top = icon.get("left", 0), icon.get("top", 0)
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


def compact(name: str) -> str:
    """A name or slug reduced to letters and digits: `"t-rex"` to `"trex"`."""
    plain = unicodedata.normalize("NFKD", name.replace("&", " and ").replace("#", " hash "))
    return re.sub(r"[^a-z0-9]+", "", plain.casefold())


def name_index(concepts: Sequence[Concept], known: Iterable[IconSet] = ()) -> dict[str, str]:
    """Concept key by compact name; names that mean several concepts are left out.

    Official names come first, then slugs that `known` sets give to the same code points, then
    aliases, then names of the Unicode standard: a name means a concept only if no better source
    gives it to another.
    """
    by_bare = {bare(concept.key): concept.key for concept in concepts}
    tiers: list[list[tuple[str, str]]] = [
        [(concept.names["en"], concept.key) for concept in concepts],
        [
            (slug, by_bare[code])
            for icons in known
            for code, slug in icons.characters.items()
            if code in by_bare
        ],
        [(alias, concept.key) for concept in concepts for alias in concept.aliases],
        [(name, concept.key) for concept in concepts for name in concept.unicode_names],
    ]
    index: dict[str, str | None] = {}
    for tier in tiers:
        claims: dict[str, set[str]] = {}
        for name, key in tier:
            claims.setdefault(compact(name), set()).add(key)
        for name, keys in claims.items():
            index.setdefault(name, keys.pop() if len(keys) == 1 else None)
    return {name: key for name, key in index.items() if name and key is not None}


def match(
    icons: IconSet,
    concepts: Sequence[Concept],
    index: Mapping[str, str],
    misleading: Set[str] = frozenset(),
) -> dict[str, str]:
    """Slug of each concept's drawing, for concepts that the set has.

    Args:
      icons: the set.
      concepts: the concepts to look for.
      index: from `name_index`; used for drawings whose code points the set does not give.
      misleading: slugs that must not be matched by name.

    Returns:
      slug by concept key. No drawing stands for two concepts.
    """
    names = set(icons.slugs())
    found: dict[str, str] = {}
    for concept in concepts:
        slug = icons.characters.get(bare(concept.key))
        if slug in names:
            found[concept.key] = slug
    rank = {name: place for place, name in enumerate(index)}
    for slug in sorted(names, key=lambda name: (rank.get(compact(name), len(rank)), name)):
        key = index.get(compact(slug))
        if key is not None and slug not in misleading:
            found.setdefault(key, slug)
    taken: set[tuple[str, bool]] = set()
    unique: dict[str, str] = {}
    for key, slug in found.items():
        drawing = icons.original(slug)
        if drawing not in taken:
            taken.add(drawing)
            unique[key] = slug
    return unique
