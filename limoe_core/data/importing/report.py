"""What an import found, kept beside the pairs and told to the user."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from limoe_core.files import write_json

FILE = "import.json"
#: Raised when the files of an import mean something else.
_FORMAT = 1
#: How many of what was left out are named in the file.
KEPT = 200
_NAMED = 5


@dataclass
class Named:
    """How many of something there are, and which the first ones are."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, which: str) -> None:
        """One more."""
        self.count += 1
        if len(self.first) < KEPT:
            self.first.append(which)

    def __str__(self) -> str:
        more = "; …" if self.count > _NAMED else ""
        return "; ".join(self.first[:_NAMED]) + more


@dataclass
class Report:
    """Counts of an import, and what was left out of it."""

    source: str
    """The folder or file."""
    kinds: list[str]
    """Kinds of its sources, in words."""
    options: dict[str, str | None]
    """Columns that were named."""
    listing: str
    """Digest of names, sizes and times of change of the source's files."""
    pictures: int = 0
    captions: int = 0
    languages: dict[str, int] = field(default_factory=dict)
    """Captions by language."""
    classes: list[str] = field(default_factory=list)
    """Labels; empty for a set with captions."""
    categories: int = 0
    splits: dict[str, int] = field(default_factory=dict)
    """Pictures by split."""
    damaged_pictures: Named = field(default_factory=Named)
    damaged_texts: Named = field(default_factory=Named)
    without_text: Named = field(default_factory=Named)
    empty_texts: int = 0
    long_texts: int = 0
    """Texts that were cut, long before a tokenizer would."""
    copies: Named = field(default_factory=Named)
    """Pictures that are kept once, since another is exactly equal."""
    copies_between_classes: int = 0
    """Pictures that are equal to one of another class."""
    copies_between_splits: int = 0
    """Pictures that are equal to one of another split, which the source put there."""

    @property
    def labelled(self) -> bool:
        """Whether pictures have classes and no captions."""
        return bool(self.classes)

    def sentences(self) -> Iterator[str]:
        """What was found, a line each."""
        yield f"{self.source}: {'; '.join(dict.fromkeys(self.kinds))}"
        splits = ", ".join(f"{count:,} {split}" for split, count in self.splits.items())
        yield f"{self.pictures:,} pictures: {splits}"
        if self.labelled:
            yield f"{len(self.classes):,} classes"
        else:
            languages = ", ".join(f"{count:,} {name}" for name, count in self.languages.items())
            yield f"{self.captions:,} captions: {languages}"
        if self.categories:
            yield f"{self.categories:,} categories"
        yield from self.warnings()

    def warnings(self) -> Iterator[str]:
        """What was left out, and what may be wrong."""
        for found, what in (
            (self.damaged_pictures, "pictures that cannot be read, left out"),
            (self.damaged_texts, "texts that cannot be read, left out"),
            (self.without_text, "pictures without a text, left out"),
            (self.copies, "exact copies of another picture, left out with their texts kept"),
        ):
            if found.count:
                yield f"{what}: {found.count:,} ({found})"
        for count, what in (
            (self.empty_texts, "empty texts, left out"),
            (self.long_texts, "texts of more than 1,000 characters, cut"),
            (self.copies_between_classes, "pictures that are equal to one of another class"),
            (self.copies_between_splits, "pictures that are equal to one of another split"),
        ):
            if count:
                yield f"{what}: {count:,}"

    def write(self, folder: Path) -> None:
        """Writes it into the folder of the pairs."""
        write_json(folder / FILE, {"format": _FORMAT, **asdict(self)})

    @classmethod
    def read(cls, folder: Path) -> Report | None:
        """The report of an import; None where there is none of this version."""
        try:
            stored: Mapping[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
            values = {name: stored[name] for name in cls.__dataclass_fields__}
            for name, value in values.items():
                if isinstance(value, dict) and value.keys() == Named.__dataclass_fields__.keys():
                    values[name] = Named(**value)
            found = cls(**values) if stored["format"] == _FORMAT else None
            return found if found is None or found._is_sound() else None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def _is_sound(self) -> bool:
        """Whether what others rely on is what it should be, as the file may come from anyone."""
        counted = (self.splits, self.languages)
        return (
            all(isinstance(counts, dict) for counts in counted)
            and all(type(count) is int for counts in counted for count in counts.values())
            and isinstance(self.classes, list)
            and all(isinstance(name, str) for name in self.classes)
            and all(isinstance(each, Named) for each in (self.damaged_pictures, self.damaged_texts))
        )
