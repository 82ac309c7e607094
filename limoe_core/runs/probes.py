"""Probe traces and their pictures as they lie in a run, checked against the run's settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from limoe_core.arrays import read_arrays
from limoe_core.config import ModelConfig
from limoe_core.confined import ANYWHERE
from limoe_core.runs.files import MOST_ARRAYS, PICTURES, entries, is_step, opened
from limoe_core.trace import TEXT, RoutingTrace

if TYPE_CHECKING:
    from jaxtyping import UInt8

_SUFFIX = ".npz"


def steps(folder: Path, within: Path = ANYWHERE) -> list[int]:
    """Steps that have a trace in `folder`, in rising order; looks at names alone.

    Raises:
      RunError: the folder may not be read, or has too many entries.
    """
    stems = (
        name.removesuffix(_SUFFIX) for name in entries(folder, within) if name.endswith(_SUFFIX)
    )
    return sorted(int(stem) for stem in stems if is_step(stem))


def path(folder: Path, step: int) -> Path:
    """File of the trace of a step."""
    return folder / f"{step}{_SUFFIX}"


def read(file: Path, model: ModelConfig, within: Path = ANYWHERE) -> RoutingTrace:
    """A trace that fits a model.

    Raises:
      RunError: the file cannot be read, or holds a trace of another model.
    """
    with opened(file, MOST_ARRAYS, within) as content:
        trace = RoutingTrace.load(content)
        _require_fit(trace, model)
    return trace


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
