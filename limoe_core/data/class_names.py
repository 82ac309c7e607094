"""Readable class names for data sets whose labels are codes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from limoe_core.config import ConfigError

#: Default name of the file, in the data set's own folder.
FILE = "class_names.txt"

_WORDNET_ID = re.compile(r"n\d{8}")


def readable_names(
    labels: Sequence[str], data: str, folder: Path, chosen: str | None = None
) -> list[str]:
    """A name for each label, in order: from a file if there is one, else the label itself.

    The file has one class per line: the label and its names ("n01440764 tench, Tinca tinca", of
    which the first is used), or names alone in the order of the labels. Underscores become spaces.

    Args:
      labels: the data set's own names of its classes.
      data: name of the data set.
      folder: folder of `class_names.txt`.
      chosen: another file to use instead.

    Raises:
      ConfigError: the file does not fit the labels, or the labels are WordNet ids and there is no
        file with their names.
    """
    path = Path(chosen).expanduser() if chosen is not None else folder / FILE
    if chosen is not None or path.is_file():
        return [_tidy(name) for name in _read(path, labels)]
    if all(_WORDNET_ID.fullmatch(label) for label in labels):
        raise ConfigError(
            f"the labels of {data} are WordNet ids such as {labels[0]}, which say nothing to a "
            f"model; put their names into {path}, one class a line as in '{labels[0]} tench, Tinca "
            "tinca' (ImageNet's LOC_synset_mapping.txt and synset_words.txt are such files), or "
            "name a file with --data.class-names"
        )
    return [_tidy(label) for label in labels]


def _read(path: Path, labels: Sequence[str]) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the class names in {path} cannot be read: {error}") from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = dict(_split(line) for line in lines)
    if all(label in named for label in labels):
        names = [named[label].split(",")[0] for label in labels]
    elif len(lines) == len(labels):
        names = lines
    else:
        absent = next(label for label in labels if label not in named)
        raise ConfigError(
            f"{path} has {len(lines)} lines, which do not fit {len(labels)} classes: it needs one "
            "for each class in their order, or lines that begin with the label, and there is none "
            f"for {absent}"
        )
    empty = [label for label, name in zip(labels, names, strict=True) if not _tidy(name)]
    if empty:
        raise ConfigError(f"{path} has no name for {empty[0]}")
    return names


def _split(line: str) -> tuple[str, str]:
    """The first word of a line and the rest of it."""
    first, *rest = re.split(r"[\s,:]+", line, maxsplit=1)
    return first, rest[0] if rest else ""


def _tidy(name: str) -> str:
    return " ".join(name.replace("_", " ").split())
