"""The pair in view as the model takes it, and its routing, computed once."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from jaxtyping import Float, UInt8

from analysis.recipes import Recorded, record
from app.pair.chosen import Pair
from app.parts import messages, pictures
from app.server import recorded, runs
from limoe_core.runs.directory import Run, RunError
from limoe_core.trace import RoutingTrace

_LOADING = threading.Lock()


@dataclass(frozen=True, eq=False)
class Shown:
    """The picture of the pair in view; all None for a text alone."""

    picture: Recorded[Any] | None
    """As `model.trace` takes it."""
    pixels: Float[np.ndarray, "S S 3"] | None
    """The model's input."""
    sharp: str | None
    """An uploaded picture at a higher resolution, as a data address."""


def shown(run: Run, pair: Pair, probes: UInt8[np.ndarray, "n s s 3"] | None) -> Shown:
    """The pair's picture; says on the page what was changed of an uploaded one.

    Args:
      probes: the run's probe pictures, if it keeps any.

    Raises:
      RunError: it is an example of which the run keeps no picture.
    """
    if pair.with_picture and pair.upload is not None:
        prepared = pictures.prepare(pair.upload, run.config.model.image_size)
        for note in prepared.notes:
            messages.say("info", note)
        return Shown(pictures.recorded(pair.upload), prepared.pixels, prepared.sharp)
    if pair.with_picture and pair.example is not None:
        if probes is None:
            raise RunError("the run keeps no pictures of its examples; upload one")
        kept = record(Run.probe_pictures, recorded.opened(run)).through(lambda _: probes)
        return Shown(kept[pair.example], pictures.to_pixels(probes[pair.example]), None)
    return Shown(None, None, None)


def route(
    run: Run, step: int, picture: Recorded[Any] | None, text: str, factor: float
) -> Recorded[RoutingTrace]:
    """Routes one pair alone; cached by its content.

    Args:
      picture: of any size; None for a text alone.
      text: "" for a picture alone.
      factor: capacity factor; 0 for no limit.

    Raises:
      limoe_core.runs.directory.RunError: the run has no such step, or it is damaged.
    """
    from limoe_core.inference import LoadedModel  # here, since it imports JAX

    model = recorded.model(run, step)
    call = record(LoadedModel.trace, model, [picture], [text], capacity_factor=factor)
    return recorded.kept(call)


def warm_up(run: Run) -> None:
    """Loads the newest parameters in the background, once per server, before they are asked for.

    Importing JAX and compiling the model take seconds; the reader is looking at the page by then.
    One model at a time: while another one is being loaded, nothing is done, so that readers who
    leaf through many runs leave no queue of work behind them.
    """
    steps = run.steps()
    if steps and not _LOADING.locked():
        _warm_up(run, str(run.path), steps[-1])


@st.cache_resource(max_entries=32, show_spinner=False)
def _warm_up(_run: Run, path: str, step: int) -> threading.Thread:
    # No daemon: a process that ends while JAX compiles in one aborts.
    thread = threading.Thread(target=_load, args=(_run, step), name="warm-up")
    thread.start()
    return thread


def _load(run: Run, step: int) -> None:
    size = run.config.model.image_size
    with _LOADING, suppress(Exception):  # the reader who asks for it is told; nobody asked yet
        runs.model(run, step).trace(
            [np.zeros((size, size, 3), np.uint8)], ["a"], capacity_factor=0.0
        )
