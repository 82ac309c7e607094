"""The npm package of all sets, read set by set: it is never unpacked as a whole."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limoe_core.config import ConfigError
from limoe_core.data.iconify import IconSet
from limoe_core.data.icons.names import Name, Names
from limoe_core.data.icons.sets import Collection

COLLECTIONS = "package/collections.json"
_SETS = "package/json/"

# A drawing with a picture inside would make the renderer look for files.
_FOREIGN = ("<image", "<foreignObject")


@dataclass(frozen=True)
class Icons:
    """The drawings of one set that can be used, and their names taken apart."""

    drawings: IconSet
    names: Mapping[str, Name]
    groups: Mapping[str, tuple[str, ...]]
    """The set's own categories of a drawing, in their order; most sets have none."""

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Icons:
        """From the content of a set's JSON file."""
        drawings = IconSet.of(content)
        names = Names(drawings.icons)
        groups: dict[str, tuple[str, ...]] = {}
        for group, members in content.get("categories", {}).items():
            for member in members:
                groups[member] = (*groups.get(member, ()), group)
        found: dict[tuple[object, ...], tuple[str, Name]] = {}
        for slug, icon in sorted(drawings.icons.items()):
            if icon.get("hidden") or any(tag in icon["body"] for tag in _FOREIGN):
                continue
            name = names.parse(slug)
            if not name.is_useful:
                continue
            # The same drawing for several sizes: the largest has most detail.
            same = (name.concept, name.style, name.variant)
            if same not in found or found[same][1].size < name.size:
                found[same] = slug, name
        return cls(drawings, dict(sorted(found.values())), groups)


def read_collections(tarball: Path) -> dict[str, Collection]:
    """What the package says of its sets, by prefix.

    Raises:
      ConfigError: the file is not that package.
    """
    try:
        with tarfile.open(tarball, "r:gz") as archive:
            for member in archive:
                if member.name == COLLECTIONS:
                    entries = _content(archive, member)
                    return {
                        prefix: Collection.of(prefix, entry)
                        for prefix, entry in sorted(entries.items())
                    }
    except (OSError, EOFError, ValueError, tarfile.TarError) as error:
        raise _broken(tarball, error) from error
    raise _broken(tarball, f"it has no {COLLECTIONS}")


def read_sets(tarball: Path, wanted: Container[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Content of sets by prefix, one at a time, since all of them are 465 MB of JSON.

    Args:
      wanted: prefixes of the sets to read.

    Raises:
      ConfigError: the package is damaged.
    """
    try:
        with tarfile.open(tarball, "r:gz") as archive:
            for member in archive:
                prefix = member.name.removeprefix(_SETS).removesuffix(".json")
                if member.name.startswith(_SETS) and prefix in wanted:
                    yield prefix, _content(archive, member)
    except (OSError, EOFError, ValueError, KeyError, tarfile.TarError) as error:
        raise _broken(tarball, error) from error


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> dict[str, Any]:
    file = archive.extractfile(member)
    if file is None:
        raise ValueError(f"{member.name} is not a file")
    with file:
        return json.load(file)


def _broken(tarball: Path, why: object) -> ConfigError:
    return ConfigError(
        f"{tarball} is not the package of icons, or is damaged ({why}); delete it and fetch it "
        "again with `make data ARGS=icons`"
    )
