"""Probe traces and their pictures as they lie in a run, checked against the run's settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from limoe_core.arrays import read_arrays
from limoe_core.config import ModelConfig
from limoe_core.confined import ANYWHERE
from limoe_core.runs.files import MOST_ARRAYS, PICTURES, as_damage, entries, is_step, opened
from limoe_core.runs.other_models import OtherModel
from limoe_core.trace import TEXT, RoutingTrace
from limoe_core.trace.checks import MOST_CELLS

if TYPE_CHECKING:
    from jaxtyping import UInt8

_SUFFIX = ".npz"
_PART = re.compile(r"([0-9]{8})-([0-9]{8})\.npz")
#: Most memory of a step's traces; more pairs are left out.
MOST_BYTES = 2**29


def steps(folder: Path, within: Path = ANYWHERE) -> list[int]:
    """Steps that have a trace in `folder`, in rising order; looks at names alone.

    Raises:
      RunError: the folder may not be read, or has too many entries.
    """
    stems = {
        name.removesuffix(_SUFFIX)
        for name in entries(folder, within)
        if name.endswith(_SUFFIX) or (is_step(name) and (folder / name).is_dir())
    }
    return sorted(int(stem) for stem in stems if is_step(stem))


def path(folder: Path, step: int) -> Path:
    """The trace of a step: a file, or a folder with parts of it."""
    parts = folder / str(step)
    return parts if parts.is_dir() else folder / f"{step}{_SUFFIX}"


def read(file: Path, model: ModelConfig, within: Path = ANYWHERE) -> RoutingTrace:
    """A trace that fits a model.

    Raises:
      RunError: the file cannot be read, or holds a trace of another model.
    """
    with opened(file, MOST_ARRAYS, within) as content:
        trace = RoutingTrace.load(content)
        _require_fit(trace, model)
    return trace


class Part(NamedTuple):
    """A file with the pairs `start` to `end` of a step."""

    path: Path
    start: int
    end: int


def part(folder: Path, start: int, end: int) -> Path:
    """File of the pairs `start` to `end` in the folder of a step."""
    return folder / f"{start:08d}-{end:08d}{_SUFFIX}"


def parts(folder: Path, within: Path = ANYWHERE) -> list[Part]:
    """The parts of a step that follow one upon another from pair 0 on; looks at names alone.

    Raises:
      RunError: the folder may not be read, or has too many entries.
    """
    found = sorted(
        (int(match[1]), int(match[2]), name)
        for name in entries(folder, within)
        if (match := _PART.fullmatch(name))
    )
    whole: list[Part] = []
    for start, end, name in found:
        if start == (whole[-1].end if whole else 0) and end > start:
            whole.append(Part(folder / name, start, end))
    return whole


def read_recorded(folder: Path, other: OtherModel, within: Path = ANYWHERE) -> RoutingTrace:
    """The trace of another model's pairs: as many of its parts as `MOST_BYTES` hold.

    Raises:
      RunError: a part cannot be read, or is of yet another model.
    """
    found: list[RoutingTrace] = []
    for each in parts(folder, within):
        with opened(each.path, MOST_ARRAYS, within) as content:
            trace = RoutingTrace.load(content)
            other.check(trace)
            if trace.num_pairs != each.end - each.start:
                raise ValueError(f"it has {trace.num_pairs} pairs, and its name says otherwise")
        taken = sum(part.nbytes for part in found) + trace.nbytes
        cells = trace.num_layers * (each.end) * trace.num_experts
        if found and (taken > MOST_BYTES or cells > MOST_CELLS):
            break
        found.append(trace)
    with as_damage(folder):
        return RoutingTrace.joined(found)


def read_pictures(
    folder: Path, model: ModelConfig, within: Path = ANYWHERE
) -> UInt8[np.ndarray, "n size size 3"]:
    """The pictures of the probe pairs.

    Raises:
      RunError: the file cannot be read, or holds no pictures of the model's size.
    """
    with opened(folder / PICTURES, MOST_ARRAYS, within) as content:
        pictures = read_arrays(content)["pictures"]
        side = model.image_size
        if pictures.dtype != np.uint8 or pictures.shape != (len(pictures), side, side, 3):
            raise ValueError(
                f"pictures are {pictures.dtype} with the shape {pictures.shape}, not uint8 with "
                f"(n, {side}, {side}, 3)"
            )
    return pictures


def _require_fit(trace: RoutingTrace, model: ModelConfig) -> None:
    """Refuses a trace that is not the model's.

    Raises:
      ValueError: it is not, and how.
    """
    blocks = tuple(block + 1 for block in model.moe_layers)
    of_the_trace = {
        "blocks with experts": tuple(trace.layers.tolist()),
        "experts": trace.num_experts,
        "choices a token": trace.top_k,
        "pixels along a picture": trace.image_size,
        "patches along a picture": trace.grid,
        "channels of an embedding": trace.image_embeddings.shape[1],
    }
    of_the_model = {
        "blocks with experts": blocks,
        "experts": max(model.experts, 1),
        "choices a token": model.top_k,
        "pixels along a picture": model.image_size,
        "patches along a picture": model.grid,
        "channels of an embedding": model.embed_dim,
    }
    for name, found in of_the_trace.items():
        if found != of_the_model[name]:
            raise ValueError(
                f"the trace is of another model: {name} {found}, in config.json "
                f"{of_the_model[name]}"
            )
    if not trace.num_tokens:
        raise ValueError("the trace has no tokens")
    text = trace.position[trace.modality == TEXT]
    if text.size and text.max() >= model.text_length:
        raise ValueError(f"the trace has texts longer than {model.text_length} tokens")
