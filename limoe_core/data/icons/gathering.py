"""From the package of all sets to the drawings of the icon set."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from limoe_core.data.dataset import Reported
from limoe_core.data.iconify import IconSet
from limoe_core.data.icons.categories import most_common
from limoe_core.data.icons.copies import LENGTH, copy_groups
from limoe_core.data.icons.drawing import Drawing, artists
from limoe_core.data.icons.package import Icons, read_collections, read_sets
from limoe_core.data.icons.selection import Icon, select, without_copies
from limoe_core.data.icons.sets import Collection


@dataclass(frozen=True)
class Drawn:
    """Icons with their pictures, of which no two are copies."""

    icons: list[Icon]
    pngs: list[bytes]
    categories: Mapping[str, str]
    """Of each concept, by its key; "" for none."""
    sets: Mapping[str, Collection]
    """The sets that were taken, by prefix."""
    counts: dict[str, int]
    """What was read, and what was left out on the way."""


def gather(tarball: Path, *, progress: Reported = True) -> Drawn:
    """The icon set from the package of all sets.

    Args:
      progress: see `Reported`.

    Raises:
      ConfigError: the package is damaged.
    """
    collections = read_collections(tarball)
    reasons = Counter(each.left_out for each in collections.values())
    sets = {prefix: each for prefix, each in collections.items() if not each.left_out}
    everything, categories, read = _read(tarball, sets, progress)
    icons = select(everything)
    drawings = _draw(tarball, icons, progress)
    seen = [place for place, drawing in enumerate(drawings) if drawing is not None]
    thumbnails = [drawing[1] for drawing in drawings if drawing is not None]
    pngs = [drawing[0] for drawing in drawings if drawing is not None]
    groups = copy_groups(np.stack(thumbnails) if thumbnails else np.empty((0, LENGTH), np.uint8))
    visible = [icons[place] for place in seen]
    single = without_copies(visible, groups.tolist())
    known = {visible[place].concept for place in single if visible[place].split == "train"}
    kept = [
        place
        for place in single
        if visible[place].split != "test_set" or visible[place].concept in known
    ]
    return Drawn(
        icons=[visible[place] for place in kept],
        pngs=[pngs[place] for place in kept],
        categories=categories,
        sets=sets,
        counts={
            "sets": len(collections),
            **{f"sets_left_out_{reason}": count for reason, count in reasons.items() if reason},
            "icons": read,
            "named": len(everything),
            "selected": len(icons),
            "blank": len(icons) - len(visible),
            "copies": len(visible) - len(single),
            "unknown_in_test_set": len(single) - len(kept),
            "pictures": len(kept),
        },
    )


def _read(
    tarball: Path, sets: Mapping[str, Collection], progress: Reported
) -> tuple[list[Icon], dict[str, str], int]:
    """Icons of the sets, the category of each concept, and the number of all drawings read."""
    icons: list[Icon] = []
    groups: dict[str, list[str]] = defaultdict(list)
    read = 0
    quiet = progress is not True
    with tqdm(total=len(sets), desc="Reading names", unit=" sets", disable=quiet) as bar:
        for prefix, content in read_sets(tarball, sets):
            found = Icons.of(content)
            read += len(found.drawings.icons)
            for slug, name in found.names.items():
                icons.append(Icon(prefix, sets[prefix].family, slug, name.key, name.caption))
                groups[name.key] += found.groups.get(slug, ())
            bar.update()
    return icons, {key: most_common(found) for key, found in groups.items()}, read


def _draw(tarball: Path, icons: Sequence[Icon], progress: Reported) -> list[Drawing]:
    """The drawing of each icon."""
    of_set: dict[str, list[int]] = defaultdict(list)
    for place, icon in enumerate(icons):
        of_set[icon.style].append(place)
    drawings: list[Drawing] = [None] * len(icons)
    done, quiet = 0, progress is not True
    bar = tqdm(total=len(icons), desc="Drawing icons", unit=" icons", disable=quiet)
    with artists() as drawers, bar:
        for prefix, content in read_sets(tarball, of_set):
            drawn = IconSet.of(content)
            svgs = [drawn.svg(icons[place].slug) for place in of_set[prefix]]
            for place, drawing in zip(of_set[prefix], drawers.draw(svgs), strict=True):
                drawings[place] = drawing
                bar.update()
            done += len(svgs)
            if callable(progress):
                progress(done, len(icons))
    return drawings
