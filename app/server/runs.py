"""Runs and their contents, loaded once per server.

Names of runs come from the address bar; `limoe_core.runs.find_run` refuses any that is
not a plain folder name. A folder or a file of a run that is a symbolic link is used only if it
leads to a place within the folder of runs (`app.server.confinement`), so nothing outside is ever
read as a run. JAX is imported only when parameters are asked for.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

import analysis
from analysis.characters import cleaned
from app.server import confinement
from limoe_core.runs import Run, RunError, RunListing, find_run, list_runs
from limoe_core.trace import RoutingTrace

if TYPE_CHECKING:
    from jaxtyping import UInt8

    from limoe_core.data.source import PairSet
    from limoe_core.inference import LoadedModel

#: Longest text of a run or a reader, in characters; what follows is cut.
LONGEST_TEXT = 20_000


@dataclass(frozen=True)
class Runs:
    """The runs of a folder: the usable ones, and the others with a reason."""

    folder: Path
    usable: tuple[str, ...]
    broken: tuple[RunListing, ...]

    @classmethod
    def of(cls, folder: Path) -> Runs:
        """The runs in `folder` now.

        Raises:
          RunError: it is missing or may not be read.
        """
        listings = [_checked(folder, each) for each in list_runs(folder)]
        return cls(
            folder,
            tuple(each.name for each in listings if each.error is None),
            tuple(each for each in listings if each.error is not None),
        )

    def open(self, name: str) -> Run:
        """Opens a run by its name, which may come from outside.

        Raises:
          RunError: it is no plain folder name, no run, or leads out of the folder of runs.
        """
        run = find_run(self.folder, name)
        confinement.check(self.folder, run.path)
        return run

    def default(self) -> str:
        """The run to open with: the first that has experts and can show their routing."""
        with_experts = []
        for name in self.usable:
            with suppress(RunError, OSError):  # it went away just now, or its probe is damaged
                run = self.open(name)
                if not run.config.model.experts:
                    continue
                with_experts.append(name)
                if steps := run.probe_steps():
                    probe(run, steps[-1])
                    return name
        return (*with_experts, *self.usable)[0]


def clean(text: str) -> str:
    """`text` with its lines and blanks, at most `LONGEST_TEXT` long, and without lone surrogates.

    For what goes on as text: to the model, into a field that the reader may edit.
    """
    return cleaned(text, LONGEST_TEXT)


def _checked(folder: Path, listing: RunListing) -> RunListing:
    """The listing, with an error if the run cannot be opened by its name."""
    if listing.error is not None:
        return listing
    try:
        find_run(folder, listing.name)
        confinement.check(folder, listing.path)
    except RunError as error:
        return replace(listing, error=str(error))
    return listing


def probe(run: Run, step: int) -> RoutingTrace:
    """The probe trace of a step, read once per server.

    Raises:
      RunError: there is none, or it is damaged.
    """
    return probe_as_read(run, step)[0]


def probe_as_read(run: Run, step: int) -> tuple[RoutingTrace, bool]:
    """The probe trace of a step, and whether it is as it lies in the run.

    A run may come from anywhere: texts that no browser would take are made readable.
    """
    return _probe(str(run.path), step, run.stamp("probe", step))


def probe_pictures(run: Run) -> UInt8[np.ndarray, "n size size 3"] | None:
    """The pictures of the probe pairs as the model sees them; None if the run has none.

    Raises:
      RunError: they are damaged.
    """
    return _probe_pictures(str(run.path), run.stamp("probe pictures"))


def model(run: Run, step: int) -> LoadedModel:
    """The model at a step, loaded once per server and shared by all readers.

    Takes seconds the first time and draws nothing, so that a thread may call it; a page calls
    `load_model`.

    Raises:
      RunError: the run has no such step, or it is damaged.
    """
    return _model(str(run.path), step, model_stamp(run, step))


def load_model(run: Run, step: int) -> LoadedModel:
    """`model`, with a spinner on the page while it loads."""
    with st.spinner("Loading the model's parameters …"):
        return model(run, step)


def model_stamp(run: Run, step: int) -> tuple[int, int]:
    """Stamp of the parameters of a step."""
    return run.stamp("parameters", step)


def pairs(run: Run, split: str) -> PairSet:
    """A split of the data that the run was trained on, loaded once per server.

    Raises:
      RuntimeError, ValueError or OSError: it is not on this machine and cannot be built.
    """
    return _pairs(str(run.path), split, run.stamp("config"))


@st.cache_resource(max_entries=128, show_spinner=False)
def _probe(path: str, step: int, stamp: tuple[int, int]) -> tuple[RoutingTrace, bool]:
    trace = Run.open(path).probe(step)
    readable = analysis.readable(trace, LONGEST_TEXT)
    return (trace, True) if readable == trace else (readable, False)


@st.cache_resource(max_entries=16, show_spinner=False)
def _probe_pictures(path: str, stamp: tuple[int, int]) -> np.ndarray | None:
    return Run.open(path).probe_pictures()


@st.cache_resource(max_entries=6, show_spinner=False)
def _model(path: str, step: int, stamp: tuple[int, int]) -> LoadedModel:
    from limoe_core.devices.host import keep_compiled
    from limoe_core.inference import load

    keep_compiled()
    return load(path, step)


@st.cache_resource(max_entries=6, show_spinner=False)
def _pairs(path: str, split: str, stamp: tuple[int, int]) -> PairSet:
    from limoe_core.data.source import load_pairs

    return load_pairs(Run.open(path).config.data, split)


__all__ = ["Run", "RunError", "Runs", "model", "pairs", "probe", "probe_pictures"]
