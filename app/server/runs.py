"""Runs and their contents, loaded once per server.

Names of runs come from the address bar; `limoe_core.runs.find_run` refuses any that is not a plain
folder name. Whoever may write into the folder of runs, a training job on a shared machine perhaps,
could put a link there that leads to any file that the dashboard's user may read. So every file of a
run is opened within the folder of runs: a link may lead to another place in it, as people do who
keep a run under two names, and is refused if it leads out. JAX is imported only when parameters are
asked for.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

import analysis
from analysis.characters import cleaned
from app.parts import squares
from app.server.kept import Kept
from limoe_core.runs import Run, RunError, RunListing, find_run
from limoe_core.runs.listing import folders, usable
from limoe_core.trace import RoutingTrace

if TYPE_CHECKING:
    from jaxtyping import UInt8

    from limoe_core.data.source import PairSet
    from limoe_core.inference import LoadedModel

#: Longest text of a run or a reader, in characters; what follows is cut.
LONGEST_TEXT = 20_000
#: Bytes of the probe traces and of their pictures that the server keeps.
_MOST_PROBES, _MOST_PICTURES = 2**30, 2**29

#: What a verdict about a run depends on: states of its folder and of its config.json.
_Marks = tuple[tuple[int, ...] | None, ...]


@dataclass(frozen=True)
class Runs:
    """The runs of a folder: the usable ones, and the others with a reason.

    Of a run that nobody asked for no more than its config.json is ever opened, and that once while
    it stays the same.
    """

    folder: Path
    _listed: dict[str, Run]
    broken: tuple[RunListing, ...]

    @classmethod
    def of(cls, folder: Path) -> Runs:
        """The runs in `folder` now.

        Raises:
          RunError: it is missing or may not be read.
        """
        verdicts = _verdicts(folder)
        return cls(
            folder,
            {path.name: found for path, found in verdicts.items() if isinstance(found, Run)},
            tuple(
                RunListing(path, path.name, found)
                for path, found in verdicts.items()
                if isinstance(found, str)
            ),
        )

    @property
    def usable(self) -> tuple[str, ...]:
        """Names of the runs that can be opened."""
        return tuple(self._listed)

    def listed(self, name: str) -> Run:
        """A usable run with its settings as they were when it was listed, not opened anew."""
        return self._listed[name]

    def open(self, name: str) -> Run:
        """Opens a run by its name, which may come from outside.

        Raises:
          RunError: it is no plain folder name, no run, or leads out of the folder of runs.
        """
        return find_run(self.folder, name, within=self.folder)

    def default(self) -> str:
        """The run to open with: the first that has experts and a record of their routing."""
        with_experts = [name for name, run in self._listed.items() if run.has_experts]
        probed = (name for name in with_experts if has_probes(self._listed[name]))
        return next(probed, None) or (*with_experts, *self.usable)[0]


def has_probes(run: Run) -> bool:
    """Whether a run has probe traces; looks at names alone."""
    with suppress(RunError, OSError):
        return bool(run.probe_steps())
    return False


#: The verdicts of the last look at each folder of runs, with what they depend on.
_SEEN: dict[Path, dict[Path, tuple[_Marks, Run | str]]] = {}


def _verdicts(folder: Path) -> dict[Path, Run | str]:
    """Each folder in the folder of runs: a run that can be used, or the reason why it cannot."""
    before, seen = _SEEN.get(folder, {}), {}
    for path in folders(folder):
        marks = _state(path), _state(Run.config_of(path))
        known = before.get(path)
        seen[path] = known if known and known[0] == marks else (marks, _verdict(path, folder))
    _SEEN[folder] = seen
    return {path: found for path, (_, found) in seen.items()}


def _verdict(path: Path, folder: Path) -> Run | str:
    found = usable(path, within=folder)
    # Kept for as long as the server runs, so without what is only shown of a run that was chosen.
    return replace(found, info={}) if isinstance(found, Run) else found


def _state(path: Path) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def clean(text: str) -> str:
    """`text` with its lines and blanks, at most `LONGEST_TEXT` long, and without lone surrogates.

    For what goes on as text: to the model, into a field that the reader may edit.
    """
    return cleaned(text, LONGEST_TEXT)


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
    key = str(run.path), step, run.stamp("probe", step), run.stamp("config")
    return _PROBES.get(key, lambda: _readable(run.probe(step)))


def probe_pictures(run: Run) -> UInt8[np.ndarray, "n size size 3"] | None:
    """The pictures of the probe pairs as the model sees them; None if the run has none.

    Raises:
      RunError: they are damaged.
    """
    key = str(run.path), run.stamp("probe pictures"), run.stamp("config")
    return _PICTURES.get(key, run.probe_pictures)


def example_pictures(run: Run, trace: RoutingTrace) -> UInt8[np.ndarray, "n s s 3"] | None:
    """A square picture of each probe pair, to tell them apart; None if the run keeps none.

    The model's input, or a small picture on white where inputs differ in size: of a pair with
    several the first.

    Raises:
      RunError: they are damaged.
    """
    if run.other is None:
        return probe_pictures(run)
    table = trace.pictures
    if table is None or not table.content:
        return None
    first = [
        next(iter(np.flatnonzero(table.pair == pair)), None) for pair in range(trace.num_pairs)
    ]
    stamps = tuple(run.stamp("probe", step) for step in run.probe_steps())
    return _PICTURES.get(
        (str(run.path), "small", trace.num_pairs, *stamps),
        lambda: np.stack([squares.small(None if n is None else table.content[n]) for n in first]),
    )


def evaluations(run: Run) -> tuple[dict[str, dict[str, Any]], tuple[str, ...]]:
    """The run's results by task and step, and what is wrong with those left out; read once.

    Shared by all readers, so not to be changed.

    Raises:
      RunError: they cannot be read as a whole.
    """
    return _evaluations(run, str(run.path), run.stamp("evaluations"))


def model(run: Run, step: int) -> LoadedModel:
    """The model at a step, loaded once per server and shared by all readers.

    Takes seconds the first time and draws nothing, so that a thread may call it; a page calls
    `load_model`.

    Raises:
      RunError: the run has no such step, or it is damaged.
    """
    return _model(run, str(run.path), step, model_stamp(run, step))


def load_model(run: Run, step: int) -> LoadedModel:
    """`model`, with a spinner on the page while it loads."""
    with st.spinner("Loading the model's parameters …"):
        return model(run, step)


def model_stamp(run: Run, step: int) -> tuple[int, ...]:
    """Stamp of all that the model of a step is made of."""
    parts = run.stamp("parameters", step), run.stamp("config"), run.stamp("tokenizer")
    return tuple(number for part in parts for number in part)


def pairs(run: Run, split: str) -> PairSet:
    """A split of the data that the run was trained on, loaded once per server.

    Raises:
      RuntimeError, ValueError or OSError: it is not on this machine and cannot be built.
    """
    return _pairs(run, str(run.path), split, run.stamp("config"))


def _readable(trace: RoutingTrace) -> tuple[RoutingTrace, bool]:
    readable = analysis.readable(trace, LONGEST_TEXT)
    return (trace, True) if readable == trace else (readable, False)


_PROBES: Kept[tuple[RoutingTrace, bool]] = Kept(_MOST_PROBES, lambda each: each[0].nbytes)
_PICTURES: Kept[np.ndarray | None] = Kept(_MOST_PICTURES, lambda each: getattr(each, "nbytes", 0))


@st.cache_resource(max_entries=32, show_spinner=False)
def _evaluations(
    _run: Run, path: str, stamp: tuple[int, ...]
) -> tuple[dict[str, dict[str, Any]], tuple[str, ...]]:
    return _run.evaluations(), _run.damaged_evaluations()


@st.cache_resource(max_entries=6, show_spinner=False)
def _model(_run: Run, path: str, step: int, stamp: tuple[int, ...]) -> LoadedModel:
    from limoe_core.devices.compiled import keep_compiled
    from limoe_core.inference import load

    keep_compiled()
    return load(_run, step)


@st.cache_resource(max_entries=6, show_spinner=False)
def _pairs(_run: Run, path: str, split: str, stamp: tuple[int, int]) -> PairSet:
    from limoe_core.data.source import load_pairs

    return load_pairs(_run.config.data, split)


__all__ = ["Run", "RunError", "Runs", "model", "pairs", "probe", "probe_pictures"]
