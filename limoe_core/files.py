"""Files that readers may open at any moment: written whole or not at all."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary sibling of `path` to write to, which then takes its place in one move.

    A reader sees the old file or the new one, never a part. The temporary name starts with a
    dot and keeps the suffix, since writers such as `np.savez` look at it. If the body raises,
    `path` stays as it was.

    The temporary file is there already, empty: a folder may come from anybody, and a link under a
    name that can be guessed would have some other file overwritten.
    """
    descriptor, name = tempfile.mkstemp(path.suffix, f".{path.stem}.", path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        descriptor = os.open(temporary, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        # Readable by whoever may read the folder, however private its writer made it.
        temporary.chmod(path.parent.stat().st_mode & 0o666)
        os.replace(temporary, path)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def to_json(values: Mapping[str, Any], *, indent: int | None = None) -> str:
    """JSON text of nested values; array scalars become numbers, and NaN and infinities null.

    JSON has no NaN, and a loss that diverged must still leave lines that every reader can read.
    """
    return json.dumps(_plain(values), ensure_ascii=False, allow_nan=False, indent=indent)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if hasattr(value, "tolist"):  # numpy and jax arrays and scalars
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def from_json(text: str | bytes) -> Any:
    """The values that `to_json` wrote, or whatever else JSON text holds.

    Raises:
      ValueError: this is no JSON, is nested too deeply, or holds numbers that no 64 bits hold.
    """
    try:
        return json.loads(
            text, parse_int=_whole_number, parse_float=_real_number, parse_constant=_real_number
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _whole_number(digits: str) -> int:
    if len(digits) > 20 or not -(2**63) <= (number := int(digits)) < 2**64:
        raise ValueError("it holds a number that is too large")
    return number


def _real_number(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("it holds a number that is not finite")
    return number


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Writes `values` to `path`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(to_json(values, indent=2) + "\n", encoding="utf-8")
