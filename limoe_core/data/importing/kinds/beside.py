"""Pictures with texts of the same name beside them: `1.jpg`, `1.txt` and perhaps `1.de.txt`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

from limoe_core.data.importing.files import (
    MAX_TEXT,
    PICTURES,
    is_picture,
    lines,
    read,
    read_picture,
    walk,
)
from limoe_core.data.importing.records import (
    DEFAULT_LANGUAGE,
    Caption,
    Found,
    Place,
    Problem,
    Record,
)

_ENDING = re.compile(r"(\.(?P<language>[a-z]{2,3}(-[A-Za-z0-9]{2,8})?))?\.(?i:txt|text|caption)$")


@dataclass(frozen=True)
class TextsBeside:
    """Every line of a text that is not empty is a caption."""

    place: Place
    kind = "pictures with texts of the same name"

    @cached_property
    def count(self) -> int:
        """See `Source.count`."""
        return sum(map(is_picture, walk(self.place.root, self.place.path)))

    def records(self) -> Iterator[Found]:
        """See `Source.records`."""
        for picture, texts in _pictures(self.place):
            yield from self._records(picture, texts)

    def _records(self, path: Path, texts: list[tuple[str, Path]]) -> Iterator[Found]:
        captions: list[Caption] = []
        for language, text in texts:
            where = self.place.name_of(text)
            try:
                content = read(text, MAX_TEXT)
            except OSError as error:
                yield Problem("text", where, str(error.strerror))
                continue
            for _, line in lines(content, where):
                if isinstance(line, Problem):
                    yield line
                else:
                    captions.append(Caption(line, language))
        where = self.place.name_of(path)
        picture = read_picture(path, where)
        yield (
            Record(where, picture, tuple(captions), split=self.place.split)
            if isinstance(picture, bytes)
            else picture
        )


def recognise(place: Place) -> TextsBeside | None:
    """A folder in which some picture has a text beside it."""
    if place.path.is_dir() and any(texts for _, texts in _pictures(place)):
        return TextsBeside(place)
    return None


def _pictures(place: Place) -> Iterator[tuple[Path, list[tuple[str, Path]]]]:
    """Every picture, with the texts beside it and their languages."""
    for _, group in groupby(walk(place.root, place.path), lambda path: path.parent):
        files = list(group)
        beside: dict[str, list[tuple[str, Path]]] = {}
        for text in files:
            if found := _ENDING.search(text.name):
                stem, language = text.name[: found.start()], found["language"] or DEFAULT_LANGUAGE
                if f".{language}" in PICTURES:  # as in `1.jpg.txt`
                    stem, language = f"{stem}.{language}", DEFAULT_LANGUAGE
                beside.setdefault(stem, []).append((language.casefold(), text))
        for picture in filter(is_picture, files):
            yield picture, beside.get(picture.stem, []) + beside.get(picture.name, [])
