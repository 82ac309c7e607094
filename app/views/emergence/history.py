"""A run's history from its probe traces and metrics, measured once per step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

import analysis
from analysis.recipes import Recorded, record
from analysis.slices import slice_pairs
from analysis.timeline import join_timeline
from app.server import recorded, runs
from app.shell.conditions import Slice
from limoe_core.runs.directory import Run, RunError
from limoe_core.trace import IMAGE, TEXT, RoutingTrace

if TYPE_CHECKING:
    import pandas as pd

#: Bootstrap resamples behind the intervals of one step.
SAMPLES = 200


@dataclass(frozen=True, eq=False)
class History:
    """A run's measures over training steps."""

    run: Run
    chosen: Slice | None
    """The pairs that it is of; None for all."""
    steps: tuple[int, ...]
    """Steps with a probe trace that can be read."""
    damaged: tuple[int, ...]
    """Steps with one that cannot."""
    pairs: int
    """Of the slice, or all."""
    whole: int
    """All pairs."""
    shares: Recorded[pd.DataFrame]
    """`analysis.shares_over_steps`."""
    timeline: Recorded[pd.DataFrame]
    """`analysis.timeline_frame`."""
    onset: Recorded[pd.DataFrame] | None
    """`analysis.specialisation_onset`; None where it cannot be told."""


def history(run: Run, chosen: Slice | None = None) -> History | None:
    """The run's history as on disk now; None if it has no readable probe trace.

    Args:
      chosen: the pairs that it is of, as conditions on this run's; None for all.

    Raises:
      AnalysisError: no pair is in the slice, or its steps are of different pairs.
    """
    marks = tuple((step, run.stamp("probe", step)) for step in run.probe_steps())
    text = "" if chosen is None else chosen.text
    # As one text, since Streamlit takes long to digest hundreds of numbers one by one.
    mark = repr((text, marks, run.stamp("metrics")))
    return _history(run, chosen, marks, run.stamp("metrics"), str(run.path), mark)


@st.cache_resource(max_entries=32, show_spinner=False)
def _history(
    _run: Run,
    _chosen: Slice | None,
    _marks: tuple[tuple[int, tuple[int, int]], ...],
    _metrics: tuple[int, int],
    path: str,
    mark: str,
) -> History | None:
    import pandas as pd

    traces: dict[int, RoutingTrace] = {}
    damaged = []
    for step, _ in _marks:
        try:
            traces[step] = runs.probe(_run, step)
        except RunError:
            damaged.append(step)
    if not traces:
        return None
    whole = traces[max(traces)]
    some = None if _chosen is None else slice_pairs(whole, _chosen.where)
    if _chosen is not None:
        traces = analysis.slice_traces(traces, _chosen.where)

    def over_steps(measure: Any, **options: Any) -> pd.DataFrame:
        frames = []
        for step in traces:  # each step from the cache where it was measured before
            trace = recorded.probe(_run, step)
            if some is not None:
                trace = record(RoutingTrace.select, trace, some)
            frame = recorded.measured(measure, trace, **options).value
            frame.insert(0, "step", step)
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)

    run = recorded.opened(_run)
    recorded_traces = record(analysis.probe_traces, run, *([list(traces)] if damaged else []))
    if _chosen is not None:
        recorded_traces = record(analysis.slice_traces, recorded_traces, _chosen.where)
    shares = over_steps(analysis.roles)
    settled = analysis.router_saturation(traces).drop(columns=["tokens", "chance"])
    health = over_steps(analysis.router_health).merge(settled, on=["step", "layer", "modality"])
    # Of a model without pictures there is no specialisation by modality.
    both = all(len({*trace.modality.tolist()} & {IMAGE, TEXT}) == 2 for trace in traces.values())
    timeline = join_timeline(
        analysis.metrics_frame(_run),
        health,
        over_steps(analysis.modality_specialisation, samples=SAMPLES) if both else None,
    )
    return History(
        onset=_onset(recorded_traces, traces, _marks),
        run=_run,
        chosen=_chosen,
        steps=tuple(traces),
        damaged=tuple(damaged),
        pairs=next(iter(traces.values())).num_pairs,
        whole=whole.num_pairs,
        shares=record(analysis.shares_over_steps, recorded_traces).through(
            lambda _: shares, _marks
        ),
        timeline=record(analysis.timeline_frame, run, recorded_traces, samples=SAMPLES).through(
            lambda _: timeline, _marks, _metrics
        ),
    )


def _onset(
    recorded_traces: Recorded[dict[int, RoutingTrace]],
    traces: dict[int, RoutingTrace],
    marks: tuple[tuple[int, tuple[int, int]], ...],
) -> Recorded[pd.DataFrame] | None:
    try:
        found = analysis.specialisation_onset(traces)
    except analysis.AnalysisError:  # a single step, or steps of other tokens
        return None
    return record(analysis.specialisation_onset, recorded_traces).through(lambda _: found, marks)


__all__ = ["SAMPLES", "History", "history"]
