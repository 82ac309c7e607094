"""Pairs to record, from a folder or file as `docs/data.md` describes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from limoe_core.data.importing.recognising import place_of, recognise
from limoe_core.data.importing.records import Problem, Record
from limoe_core.data.pictures.errors import PictureError
from limoe_core.data.preprocess import on_white, open_picture
from limoe_core.recording.prompts import RecordedPair


@dataclass
class PairFolder:
    """The pairs of a folder or file, read one by one; `problems` grows with what cannot be read."""

    path: str | Path
    image_column: str | None = None
    text_column: str | None = None
    split: str = ""
    """`train`, `validation` or `test` to record these pairs alone."""
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        place = place_of(self.path, self.image_column, self.text_column)
        self._sources = recognise(place)

    @property
    def count(self) -> int | None:
        """How many there are, if that is known without reading them."""
        counts = [source.count for source in self._sources]
        return None if self.split or None in counts else sum(filter(None, counts))

    def __iter__(self) -> Iterator[RecordedPair]:
        self.problems.clear()
        for source in self._sources:
            for found in source.records():
                if isinstance(found, Problem):
                    self.problems.append(f"{found.where}: {found.why}")
                elif not self.split or found.split == self.split:
                    try:
                        yield _pair(found)
                    except PictureError as error:
                        self.problems.append(f"{found.name}: {error}")


def _pair(record: Record) -> RecordedPair:
    picture, _ = open_picture(record.picture)
    first = next((caption for caption in record.captions if caption.text), None)
    about = {
        "name": record.name,
        "class": record.label,
        "category": record.category,
        "language": first.language if first else "",
    }
    return RecordedPair(first.text if first else record.label, (on_white(picture),), about)
