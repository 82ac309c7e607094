"""What a prepared data set says about itself, checked before TFDS reads it.

A set may come from anybody. Its `features.json` names Python classes, which TFDS would import from
wherever Python finds them, and its `dataset_info.json` may as well. So both are read here first,
as plain JSON of a bounded size, and only classes of an allowed list get through.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from limoe_core.config import ConfigError

#: Features that are plain values, or pictures that are decoded by our own code. Sound, films and
#: nested data sets are left out: TFDS decodes them with programs and libraries of its own.
_ALLOWED = (
    "FeaturesDict",
    "Sequence",
    "Image",
    "LabeledImage",
    "Text",
    "ClassLabel",
    "Tensor",
    "Scalar",
    "BBoxFeature",
    "Translation",
    "TranslationVariableLanguages",
)
#: Keys under which JSON names a class: of today's format, of protocol buffers, of TFDS before 4.5.
_CLASS_KEYS = ("pythonClassName", "python_class_name", "type")
#: Keys that make TFDS read another file.
_FILE_KEYS = ("names_file",)
_FEATURES, _INFO, _DEFAULT = "features.json", "dataset_info.json", ".config/metadata.json"
#: Bytes. ImageNet's description, the largest of a known set, has 40 kB.
_LARGEST = 16 << 20
_DEEPEST = 100
_VERSION = re.compile(r"\d{1,9}\.\d{1,9}\.\d{1,9}")
#: Names of the files that hold a split's records.
_TEMPLATE_KEYS = ("filepathTemplate", "filepath_template")
_PLAIN = re.compile(r"[^/\\]*")


def newest_version(folder: Path, config: str | None, version: str | None = None) -> Path | None:
    """The folder of a prepared version of a set; None if there is none.

    Args:
      folder: the set's, in the TFDS data directory.
      config: builder config; by default the one that TFDS wrote down as such, or the only one.
      version: such as "1.0.0"; the newest by default.

    Raises:
      ConfigError: TFDS's note of the default config is damaged.
    """
    if config is None:
        found = _newest(folder, version)
        if found is not None:
            return found
        config = _default_config(folder)
    return None if config is None else _newest(folder / config, version)


def check_description(folder: Path) -> None:
    """Refuse a version of a set whose description would have TFDS run code or read other files.

    Args:
      folder: as `newest_version` finds it.

    Raises:
      ConfigError: it names a class that is not allowed, or is damaged or far too large.
    """
    allowed = _class_names()
    file = folder / _FEATURES
    for key, value in _entries(_json(file)):
        if key in _CLASS_KEYS and isinstance(value, str) and value not in allowed:
            raise ConfigError(
                f"{file} names the Python class {value[:100]!r}, which is not one of the kinds of "
                f"features that are read here: {', '.join(_ALLOWED)}"
            )
        if key in _FILE_KEYS:
            raise ConfigError(f"{file} names another file ({key}), which is not followed")
    file = folder / _INFO
    info = _json(file)
    for named in _named(info):  # in the names of files
        if not (isinstance(named, str) and _PLAIN.fullmatch(named)):
            raise ConfigError(f"{file} names records that lie out of its folder (name)")
    for key, value in _entries(info):
        if key == "features" and not isinstance(value, list):  # lists are of statistics
            raise ConfigError(f"{file} describes features, which only {_FEATURES} may do")
        if key in _TEMPLATE_KEYS and not (isinstance(value, str) and _PLAIN.fullmatch(value)):
            raise ConfigError(f"{file} names records that lie out of its folder ({key})")
    for file in folder.glob("*.txt"):  # names of classes, which would be shown
        _check_file(file)


def _class_names() -> set[str]:
    import tensorflow_datasets as tfds

    kinds = [getattr(tfds.features, name) for name in _ALLOWED]
    return {
        name
        for kind in kinds
        for name in (f"{kind.__module__}.{kind.__name__}", *kind.__dict__.get("ALIASES", ()))
    }


def _named(info: Any) -> Iterator[Any]:
    """The names of the set and of its splits, where there are any."""
    if isinstance(info, dict):
        splits = info.get("splits")
        for each in (info, *(splits if isinstance(splits, list) else ())):
            if isinstance(each, dict) and "name" in each:
                yield each["name"]


def _entries(value: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Every key and value in nested JSON, also in JSON that is written as text in JSON."""
    if depth > _DEEPEST:
        raise ConfigError("the description of the data set is nested too deeply")
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from _entries(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _entries(inner, depth + 1)


def _newest(folder: Path, version: str | None) -> Path | None:
    try:
        names = [each.name for each in folder.iterdir() if _VERSION.fullmatch(each.name)]
    except OSError:
        return None
    wanted = [name for name in names if version in (None, name)]
    for name in sorted(wanted, key=lambda each: [int(part) for part in each.split(".")])[::-1]:
        if (folder / name / _FEATURES).exists():
            return folder / name
    return None


def _default_config(folder: Path) -> str | None:
    if (folder / _DEFAULT).exists():
        found = _json(folder / _DEFAULT)
        named = found.get("default_config_name") if isinstance(found, dict) else None
        if isinstance(named, str) and re.fullmatch(r"[\w.+-]+", named) and named != "..":
            return named
    try:
        configs = [each.name for each in folder.iterdir() if _newest(each, None) is not None]
    except OSError:
        return None
    return configs[0] if len(configs) == 1 else None


def _json(file: Path) -> Any:
    try:
        return json.loads(_content(file))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file} is damaged: it is not JSON; prepare the set anew") from error


def _content(file: Path) -> bytes:
    """A regular file of bounded size: a pipe would be waited for without end."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error
    try:
        _check_stat(file, os.fstat(descriptor))
        with os.fdopen(descriptor, "rb", closefd=False) as opened:
            return opened.read(_LARGEST)
    finally:
        os.close(descriptor)


def _check_file(file: Path) -> None:
    try:
        _check_stat(file, file.lstat())  # a link could lead to any file
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error


def _check_stat(file: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"{file} is not a regular file")
    if found.st_size > _LARGEST:
        raise ConfigError(f"{file} is larger than {_LARGEST >> 20} MiB, so it is not read")
