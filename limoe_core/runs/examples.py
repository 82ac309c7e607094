"""Pictures to try a run's model on where its data set is not at hand, as they lie in the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from limoe_core.arrays import read_arrays
from limoe_core.confined import ANYWHERE
from limoe_core.files import replacing
from limoe_core.runs.files import MOST_ARRAYS, opened

if TYPE_CHECKING:
    from jaxtyping import UInt8

#: What is known of each picture: code points or another key of its concept, name in the data set's
#: first language, category, style, and the split that it is of.
KNOWN = ("key", "name", "category", "style", "split")


def read(
    file: Path, within: Path = ANYWHERE
) -> tuple[UInt8[np.ndarray, "n side side c"], dict[str, list[str]]]:
    """The pictures, and what is known of them.

    Raises:
      RunError: the file cannot be read, or holds something else.
    """
    with opened(file, MOST_ARRAYS, within) as content:
        arrays = read_arrays(content)
        pictures = arrays["pictures"]
        shape = pictures.shape
        if pictures.dtype != np.uint8 or len(shape) != 4 or shape[1] != shape[2]:
            raise ValueError(f"pictures are {pictures.dtype} with the shape {shape}")
        if shape[3] not in (3, 4) or not shape[0] or not shape[1]:
            raise ValueError(f"pictures have the shape {shape}")
        known = {name: arrays[name] for name in KNOWN}
        for name, values in known.items():
            if values.dtype.kind != "U" or values.shape != shape[:1]:
                raise ValueError(f"{name} is not a text for each of {shape[0]} pictures")
    return pictures, {name: values.tolist() for name, values in known.items()}


def write(
    file: Path, pictures: UInt8[np.ndarray, "n side side c"], known: Mapping[str, Sequence[str]]
) -> None:
    """Writes the pictures with what is known of them, whole or not at all."""
    with replacing(file) as temporary:
        arrays: dict[str, Any] = {name: np.array(known[name], str) for name in KNOWN}
        np.savez_compressed(temporary, pictures=pictures, **arrays)
