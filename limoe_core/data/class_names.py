"""Readable class names for data sets whose labels are codes."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from limoe_core import confined
from limoe_core.config import ConfigError

#: Default name of the file, in the data set's own folder.
FILE = "class_names.txt"
_LARGEST = 16 << 20  # bytes

_WORDNET_ID = re.compile(r"n\d{8}")
#: A label that no name begins with: letters and digits together, such as n01440764 or class_12.
_CODE = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[\w-]+", re.ASCII)


def readable_names(
    labels: Sequence[str], data: str, folder: Path, chosen: str | None = None
) -> list[str]:
    """A name for each label, in order: from a file if there is one, else the label itself.

    The file has one class a line, in one of these ways, the first that fits:

    - the labels themselves, in any order;
    - the label, a comma, tab or colon, and its names, of which the first is used; quoted as in CSV
      if need be ('n01440764,"tench, Tinca tinca"'). Every label begins one line, something follows
      it, and other lines do not count;
    - the same with a space behind the label ("n01440764 tench, Tinca tinca"), if the labels are
      codes or there are not as many lines as labels. Otherwise "Abyssinian cat" for the label
      "Abyssinian" is a name, and not a label and the name "cat";
    - names alone, in the order of the labels.

    Underscores become spaces. No two classes may have the same name, letter case aside, since an
    answer could not tell them apart.

    Args:
      labels: the data set's own names of its classes.
      data: name of the data set.
      folder: folder of `class_names.txt`.
      chosen: another file to use instead.

    Raises:
      ConfigError: the file does not fit the labels, two classes have the same name, or the labels
        are WordNet ids and there is no file with their names.
    """
    path = Path(chosen).expanduser() if chosen is not None else folder / FILE
    if chosen is not None or os.path.lexists(path):
        text = _text(path, within=None if chosen is not None else folder)
        names = [_tidy(name) for name in _read(path, text, labels)]
        _check_apart(labels, names, f"in {path}")
        return names
    if all(_WORDNET_ID.fullmatch(label) for label in labels):
        raise ConfigError(
            f"the labels of {data} are WordNet ids such as {labels[0]}, which say nothing to a "
            f"model; put their names into {path}, one class a line as in '{labels[0]} tench, Tinca "
            "tinca' (ImageNet's LOC_synset_mapping.txt and synset_words.txt are such files), or "
            "name a file with --data.class-names"
        )
    names = [_tidy(label) for label in labels]
    _check_apart(labels, names, f"of {data}; name them in {path}")
    return names


def _check_apart(labels: Sequence[str], names: Sequence[str], where: str) -> None:
    """Refuses equal names of different classes."""
    by_name: dict[str, list[str]] = {}
    for label, name in zip(labels, names, strict=True):
        by_name.setdefault(name.casefold(), []).append(label)
    equal = {name: found for name, found in by_name.items() if len(found) > 1}
    if equal:
        which = "; ".join(
            f"{' and '.join(found)} are both {name!r}" for name, found in equal.items()
        )
        raise ConfigError(
            f"classes have the same name {where}: {which}; give each a name of its own, such as "
            "'crane (bird)', since no answer could tell them apart"
        )


def _text(path: Path, within: Path | None) -> str:
    """The content of a file of names.

    Args:
      within: folder of a set, which may come from anybody: a link in it that leads elsewhere would
        show the content of any file as names. None for a file that the user has named.
    """
    try:
        if within is None:
            return path.read_text(encoding="utf-8-sig")
        return confined.read_bytes(path, within=within, most=_LARGEST).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError, confined.RefusedError) as error:
        raise ConfigError(f"the class names in {path} cannot be read: {error}") from error


def _read(path: Path, text: str, labels: Sequence[str]) -> list[str]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    codes = all(map(_CODE.fullmatch, labels))
    if not codes and sorted(map(_tidy, lines)) == sorted(map(_tidy, labels)):
        return list(labels)
    names = _by_label(map(_separated, lines), labels, codes)
    if names is None and (codes or len(lines) != len(labels)):
        names = _by_label(map(_spaced, lines), labels, codes)
    if names is None and len(lines) == len(labels):
        names = [_fields(line)[0] if line.startswith('"') else line for line in lines]
    if names is None:
        begun = {first for split in (_separated, _spaced) for first, _ in map(split, lines)}
        absent = next((label for label in labels if label not in begun), labels[0])
        raise ConfigError(
            f"{path} has {len(lines)} lines, which do not fit {len(labels)} classes: it needs one "
            "for each class in their order, or one line for each that begins with the label, and "
            f"there is not exactly one for {absent}"
        )
    empty = [label for label, name in zip(labels, names, strict=True) if not _tidy(name)]
    if empty:
        raise ConfigError(f"{path} has no name for {empty[0]}")
    return names


def _by_label(
    lines: Iterator[tuple[str, str]], labels: Sequence[str], codes: bool
) -> list[str] | None:
    """A name for each label that begins exactly one line; None if the lines are not made so.

    Args:
      codes: whether the labels are codes, so that one alone in its line is a name forgotten.
    """
    found: dict[str, list[str]] = {label: [] for label in labels}
    for first, rest in lines:
        if first in found:
            found[first].append(rest)
    if any(len(rests) != 1 or not (rests[0] or codes) for rests in found.values()):
        return None
    return [rests[0].split(",")[0] for rests in found.values()]


def _separated(line: str) -> tuple[str, str]:
    """What is before the first comma, tab or colon of a line, and the field behind it."""
    fields = _fields(line)
    if len(fields) == 1:
        fields = re.split(r"\s*[\t:]\s*", line, maxsplit=1)
    return fields[0], fields[1] if len(fields) > 1 else ""


def _fields(line: str) -> list[str]:
    """The fields of a line of CSV."""
    try:
        return next(csv.reader([line], skipinitialspace=True))
    except csv.Error:  # such as a quotation mark that is not closed, or a field that is too long
        return [line]


def _spaced(line: str) -> tuple[str, str]:
    """The first word of a line and the rest of it."""
    first, *rest = line.split(maxsplit=1)
    return first, rest[0] if rest else ""


def _tidy(name: str) -> str:
    return " ".join(name.replace("_", " ").split())
