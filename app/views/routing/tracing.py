"""The routing of a reader's own pair, computed by the model, and only once."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from jaxtyping import Float

from app.server import runs
from limoe_core.runs.directory import Run
from limoe_core.trace import RoutingTrace

if TYPE_CHECKING:
    from limoe_core.inference import LoadedModel


def route(
    run: Run,
    step: int,
    pixels: Float[np.ndarray, "size size 3"] | None,
    text: str,
    factor: float,
) -> RoutingTrace:
    """Routes one pair alone; cached by its content.

    Args:
      pixels: the model's input, in [-1, 1]; None for a text alone.
      text: "" for a picture alone.
      factor: capacity factor; 0 for no limit.

    Raises:
      limoe_core.runs.directory.RunError: the run has no such step, or it is damaged.
    """
    model = runs.model(run, step)
    digest = "" if pixels is None else hashlib.sha256(pixels.tobytes()).hexdigest()
    return _route(
        str(run.path), step, runs.model_stamp(run, step), digest, text, factor, model, pixels
    )


@st.cache_resource(max_entries=256, show_spinner=False)
def _route(
    path: str,
    step: int,
    stamp: tuple[int, int],
    digest: str,
    text: str,
    factor: float,
    _model: LoadedModel,
    _pixels: np.ndarray | None,
) -> RoutingTrace:
    size = _model.config.model.image_size
    blank = np.zeros((size, size, 3), np.float32)
    return _model.trace_pixels(
        (blank if _pixels is None else _pixels)[None],
        [text],
        image_valid=np.array([_pixels is not None]),
        capacity_factor=factor,
    )


def warm_up(run: Run) -> None:
    """Loads the newest parameters in the background, once per server, before they are asked for.

    Importing JAX and compiling the model take seconds; the reader is looking at the page by then.
    """
    steps = run.steps()
    if steps:
        _warm_up(str(run.path), steps[-1])


@st.cache_resource(max_entries=32, show_spinner=False)
def _warm_up(path: str, step: int) -> threading.Thread:
    # No daemon: a process that ends while JAX compiles in one aborts.
    thread = threading.Thread(target=_load, args=(path, step), name="warm-up")
    thread.start()
    return thread


def _load(path: str, step: int) -> None:
    try:
        run = Run.open(path)
        size = run.config.model.image_size
        route(run, step, np.zeros((size, size, 3), np.float32), "a", 0.0)
    except Exception:  # the reader who asks for the model is told; nobody asked yet
        return
