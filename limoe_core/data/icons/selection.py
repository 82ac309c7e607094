"""Which icons become pictures of the set, decided by their names alone, before they are drawn."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from limoe_core.data.icons.splits import SPLITS, Split, split_of, uniform

#: Most drawings of one set, so that no style dominates.
MOST_OF_A_SET = 2000


@dataclass(frozen=True)
class Icon:
    """A drawing that can be taken."""

    style: str
    """Prefix of its set."""
    family: str
    slug: str
    """Its name in the set."""
    concept: str
    """Key of what it shows: `arrow-left`."""
    caption: str = ""
    """The concept with words of style; "" where its name has none."""

    @cached_property
    def split(self) -> Split | None:
        """See `split_of`."""
        return split_of(self.concept, self.family)


def select(icons: Iterable[Icon], most: int = MOST_OF_A_SET) -> list[Icon]:
    """Drawings of concepts that are drawn at least twice, at most so many of each set.

    Of a larger set those stay whose concepts other families draw too, then by hash. What
    belongs to no split is left out.

    Returns:
      icons sorted by set and name.
    """
    by_set: dict[str, list[Icon]] = defaultdict(list)
    families: dict[str, set[str]] = defaultdict(set)
    for icon in icons:
        if icon.split is not None:
            by_set[icon.style].append(icon)
            families[icon.concept].add(icon.family)
    kept: list[Icon] = []
    for _, found in sorted(by_set.items()):
        found.sort(
            key=lambda icon: (
                -min(2, len(families[icon.concept])),
                uniform(icon.concept, "share"),
                icon.concept,
                uniform(icon.slug, "share"),
                icon.slug,
            )
        )
        kept += sorted(found[:most], key=lambda icon: icon.slug)
    drawn = Counter(icon.concept for icon in kept)
    return [icon for icon in kept if drawn[icon.concept] > 1]


def without_copies(icons: Sequence[Icon], groups: Sequence[int]) -> list[int]:
    """Places of the icons that stay when of each group of copies only one does.

    It is the one in the first split, so that no test asks about a drawing that training has seen;
    by hash among equals.

    Args:
      groups: number of each icon's group; copies have the same.
    """
    order = sorted(
        range(len(icons)),
        key=lambda place: (
            _rank(icons[place]),
            uniform(f"{icons[place].style}:{icons[place].slug}", "copy"),
            place,
        ),
    )
    first: dict[int, int] = {}
    for place in order:
        first.setdefault(groups[place], place)
    return sorted(first.values())


def _rank(icon: Icon) -> int:
    return len(SPLITS) if icon.split is None else SPLITS.index(icon.split)
