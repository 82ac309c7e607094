"""What pages show, recorded: runs, traces, models, and measures of them, taken once per server.

Every page makes its numbers and figures of these with `analysis.record`, so that the lines it hands
out are the calls that it made. `limoe_core` and `analysis` alone may be recorded: nobody who copies
the lines has the dashboard's own modules at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeVar

import streamlit as st

import analysis
from analysis.recipes import Recorded, record
from app.server import jobs, runs
from app.server.kept import Kept
from limoe_core.runs import Predictions, Run

if TYPE_CHECKING:
    from analysis.pairs import Pairs
    from limoe_core.inference import LoadedModel
    from limoe_core.runs.experts import ExpertRecord
    from limoe_core.trace import RoutingTrace

T = TypeVar("T")

#: Bytes of pictures of pairs that the server keeps.
_MOST_PAIRS = 2**28


# ---- what is read of a run


def opened(run: Run, *mark: Hashable) -> Recorded[Run]:
    """The run itself.

    Args:
      mark: the stamps of its files that are read from it, where no other record has them.
    """
    return record(Run.open, run.path).through(lambda _: run, *mark)


def probe(run: Run, step: int) -> Recorded[RoutingTrace]:
    """The probe trace of a step.

    Raises:
      RunError: there is none, or it is damaged.
    """
    trace, as_recorded = runs.probe_as_read(run, step)
    stamp = run.stamp("probe", step)
    found = record(Run.probe, opened(run), step)
    if not as_recorded:
        found = record(analysis.readable, found, runs.LONGEST_TEXT)
    return found.through(lambda _: trace, stamp)


def experts(run: Run, step: int) -> Recorded[ExpertRecord]:
    """What `evaluate --experts` measured at a step.

    Raises:
      RunError: it was not measured, or the record is damaged.
    """
    call = kept(record(Run.experts, opened(run), step), run.stamp("experts", step))
    call.value  # noqa: B018 whoever shows it hears of damage here
    return call


def model(run: Run, step: int) -> Recorded[LoadedModel]:
    """The model at a step, loaded with a word on the page.

    Raises:
      RunError: the run has no such step, or it is damaged.
    """
    import limoe_core

    loaded = runs.load_model(run, step)
    stamp = runs.model_stamp(run, step)
    return record(limoe_core.load, opened(run), step=step).through(lambda _: loaded, stamp)


def predictions(run: Run, task: str, step: int) -> Recorded[Predictions]:
    """The single answers of an evaluation."""
    stamp = run.stamp("predictions", step, task)
    call = record(Predictions.load, run.path, task, step)
    return kept(call.through(lambda _: run.predictions(task, step), stamp))


def probe_pairs(run: Run) -> Recorded[Pairs]:
    """The pairs of the run's newest probe trace; all readers get one and the same.

    Raises:
      RunError: its traces cannot be listed.
    """
    newest = run.probe_steps()[-1:]
    mark = run.stamp("probe pictures"), *(run.stamp("probe", step) for step in newest)
    call = record(analysis.probe_pairs, opened(run))
    key = (*call.key, *mark)
    return call.through(lambda compute: _PAIRS.get(key, compute), *mark)


def answers(run: Run, step: int) -> dict[str, Recorded[Predictions]]:
    """The single answers of every evaluation of a step, by task.

    Raises:
      RunError: the run's evaluations cannot be read.
    """
    by_task, _ = runs.evaluations(run)
    return {
        task: predictions(run, task, step)
        for task in sorted(by_task)
        if str(step) in by_task[task] and run.has("predictions", step, task)
    }


# ---- what is made of it


def measured(function: Callable[..., T], *arguments: Any, **options: Any) -> Recorded[T]:
    """A call whose value is a copy of what the server keeps of it."""
    call = record(function, *arguments, **options)
    return call.through(lambda compute: _measured(call.key, compute))


def kept(call: Recorded[T], *mark: Hashable) -> Recorded[T]:
    """The call with its value kept by the server, one and the same for all readers."""
    return call.through(lambda compute: _kept((*call.key, *mark), compute), *mark)


def worked(call: Recorded[T], label: str) -> Recorded[T]:
    """The call as a job of the server, with progress on the page if the function reports it.

    What it is made from is made before, on the page, and not in the job's thread.
    """
    return call.through(lambda compute: jobs.result(call.key, lambda _: compute(), label))


def worked_with_progress(call: Recorded[T], label: str) -> Recorded[T]:
    """`worked` for a function that takes `progress`."""
    return call.through(
        lambda compute: jobs.result(call.key, lambda progress: compute(progress=progress), label)
    )


_PAIRS: Kept[Pairs] = Kept(_MOST_PAIRS, lambda pairs: sum(image.nbytes for image in pairs[0]))


@st.cache_data(max_entries=4096, show_spinner=False)
def _measured(key: tuple[Hashable, ...], _compute: Callable[..., Any]) -> Any:
    return _compute()


@st.cache_resource(max_entries=256, show_spinner=False)
def _kept(key: tuple[Hashable, ...], _compute: Callable[..., Any]) -> Any:
    return _compute()
