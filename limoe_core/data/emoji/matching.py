"""Drawings of Iconify's packages matched with concepts.

Some packages give the code points of each drawing (`chars.json`). The others only have slugs such
as `flag-for-germany` or `clock4thirty`; those are matched with names of the concepts, and a slug
that could mean two concepts is left alone: a missing drawing costs less than a wrong one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence, Set

from limoe_core.data.emoji.concepts import Concept, bare
from limoe_core.data.iconify import IconSet


def by_character(icons: IconSet) -> dict[str, str]:
    """Slug by bare key (upper-case code points without FE0F); empty for some packages."""
    return {bare(code.upper()): slug for code, slug in icons.characters.items()}


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
            for code, slug in by_character(icons).items()
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
    characters = by_character(icons)
    found: dict[str, str] = {}
    for concept in concepts:
        slug = characters.get(bare(concept.key))
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
