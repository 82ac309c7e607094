"""Pictures in folders that are named by their class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from limoe_core.data.importing.files import folders, is_picture, read_picture, walk
from limoe_core.data.importing.records import Found, Place, Record, printable


@dataclass(frozen=True)
class ClassFolders:
    """Pictures anywhere below a folder are of the class that it is named by."""

    place: Place
    kind = "pictures in folders named by their class"

    @cached_property
    def count(self) -> int:
        """See `Source.count`."""
        return sum(map(is_picture, walk(self.place.root, self.place.path)))

    def records(self) -> Iterator[Found]:
        """See `Source.records`."""
        for path in filter(is_picture, walk(self.place.root, self.place.path)):
            where = self.place.name_of(path)
            picture = read_picture(path, where)
            below = path.relative_to(self.place.path).parts
            label = printable(below[0]) if len(below) > 1 else ""
            yield (
                Record(where, picture, label=label, split=self.place.split)
                if isinstance(picture, bytes)
                else picture
            )


def recognise(place: Place) -> ClassFolders | None:
    """A folder with pictures below at least two folders."""
    if not place.path.is_dir():
        return None
    below = folders(place.root, place.path)
    classes = sum(any(map(is_picture, walk(place.root, each))) for each in below)
    return ClassFolders(place) if classes > 1 else None
