"""WebDataset: tars in which files of one name make a sample, as `0001.jpg` and `0001.txt`."""

from __future__ import annotations

import json
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from limoe_core.data.importing.columns import Columns
from limoe_core.data.importing.files import (
    MAX_PICTURE,
    MAX_TEXT,
    PICTURES,
    lines,
    not_utf8,
    walk,
)
from limoe_core.data.importing.records import (
    DEFAULT_LANGUAGE,
    Caption,
    Found,
    Place,
    Problem,
    Record,
    printable,
    split_of_file,
)

ENDINGS = (".tar", ".tar.gz", ".tgz")
#: Endings of texts, such as `txt`, and with a language `es.txt`.
_TEXT = re.compile(r"((?P<language>[a-z]{2,3}(-[a-z0-9]{2,8})?)\.)?(txt|text|caption)$")
#: Of one sample; more are not looked at.
_MOST_MEMBERS = 32


@dataclass(frozen=True)
class Tars:
    """Tars that are read where they are; nothing is unpacked."""

    place: Place
    files: tuple[Path, ...]
    kind = "WebDataset tars"
    count = None

    def records(self) -> Iterator[Found]:
        """See `Source.records`."""
        for file in self.files:
            where = self.place.name_of(file)
            split = split_of_file(file) or self.place.split
            try:
                with tarfile.open(file, "r:*") as tar:
                    samples: dict[str, dict[str, _Member]] = {}
                    yield from _look_through(tar, samples, where)
                    for key, members in samples.items():
                        contents = {ending: m.read(tar) for ending, m in members.items()}
                        yield from self._sample(f"{where}, sample {key}", contents, split)
            except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
                yield Problem("picture", where, f"it is damaged: {error}")

    def _sample(self, where: str, members: dict[str, bytes | None], split: str) -> Iterator[Found]:
        pictures = [content for ending, content in members.items() if f".{ending}" in PICTURES]
        if not pictures:
            yield Problem("picture", where, "it has no picture")
            return
        if pictures[0] is None:
            yield Problem("picture", where, f"it is larger than {MAX_PICTURE >> 20} MiB")
            return
        captions: list[Caption] = []
        label = category = ""
        for ending, content in members.items():
            place = f"{where}, .{ending}"
            text = _TEXT.match(ending)
            if content is None or not (text or ending in ("json", "cls")):
                continue
            if text:
                language = text["language"] or DEFAULT_LANGUAGE
                if f".{language}" in PICTURES:  # as in `1.jpg.txt`
                    language = DEFAULT_LANGUAGE
                for _, line in lines(content, place):
                    if isinstance(line, Problem):
                        yield line
                    else:
                        captions.append(Caption(line, language))
            elif ending == "cls":
                label = content.decode(errors="ignore").strip()
            else:
                values = _json(content, place)
                if isinstance(values, Problem):
                    yield values
                    continue
                columns = Columns.of(list(values), "", self._text_of(values), where=place)
                label = label or columns.value(values, columns.label)
                category = columns.value(values, columns.category)
                split = columns.split_of(values, place) or split
                if not any(map(_TEXT.match, members)):
                    for each in columns.captions(values, place):
                        if isinstance(each, Problem):
                            yield each
                        else:
                            captions.append(each)
        yield Record(where, pictures[0], tuple(captions), label, category, split)

    def _text_of(self, values: dict) -> str | None:
        """The text column that was named, where a sample has it."""
        named = self.place.text_column
        return named if named in values else None


def recognise(place: Place) -> Tars | None:
    """One or more tars."""
    files = [place.path] if place.path.is_file() else walk(place.root, place.path)
    tars = tuple(file for file in files if file.name.lower().endswith(ENDINGS))
    return Tars(place, tars) if tars else None


@dataclass(frozen=True)
class _Member:
    """Where a file lies in a tar."""

    start: int
    size: int
    limit: int

    def read(self, tar: tarfile.TarFile) -> bytes | None:
        """Its content; None if it is too large."""
        if self.size > self.limit or tar.fileobj is None:
            return None
        tar.fileobj.seek(self.start)
        return tar.fileobj.read(self.size)


def _look_through(
    tar: tarfile.TarFile, samples: dict[str, dict[str, _Member]], where: str
) -> Iterator[Problem]:
    """Finds the files of each sample, wherever in the tar they are."""
    try:
        for member in tar:
            tar.members = []  # type: ignore[attr-defined]  # which would grow with the tar
            folder, _, name = member.name.removeprefix("./").rpartition("/")
            stem, _, ending = name.partition(".")
            if not member.isreg() or member.issparse() or not stem or not ending:
                continue
            ending = ending.lower()
            limit = MAX_PICTURE if f".{ending}" in PICTURES else MAX_TEXT
            key = printable(f"{folder}/{stem}" if folder else stem)
            members = samples.setdefault(key, {})
            if len(members) < _MOST_MEMBERS:
                members[ending] = _Member(member.offset_data, member.size, limit)
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        why = f"it is damaged or cut short, and what comes after is left out: {error}"
        yield Problem("picture", where, why)


def _json(content: bytes, where: str) -> dict | Problem:
    try:
        found = json.loads(content.decode())
    except UnicodeDecodeError as error:
        return not_utf8(where, error)
    except (ValueError, RecursionError):
        return Problem("text", where, "it is not JSON")
    return found if isinstance(found, dict) else Problem("text", where, "it is no JSON object")
