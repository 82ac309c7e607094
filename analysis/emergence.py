"""When did it happen? A run's probe traces and metrics as frames over training steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import pandas as pd

from analysis.errors import AnalysisError
from analysis.saturation import router_saturation
from analysis.shares import router_health
from analysis.specialisation import modality_specialisation, roles
from limoe_core.trace import RoutingTrace


class ProbedRun(Protocol):
    """What is read of a `limoe_core.checkpoint.Run`."""

    def probe_steps(self) -> list[int]: ...
    def probe(self, step: int) -> RoutingTrace: ...
    def metrics(self) -> list[dict[str, Any]]: ...


def probe_traces(run: ProbedRun) -> dict[int, RoutingTrace]:
    """Every probe trace of the run by its step.

    Raises:
      AnalysisError: if there is none (yet).
    """
    traces = {step: run.probe(step) for step in run.probe_steps()}
    if not traces:
        raise AnalysisError("the run has no probe traces yet; they come with its first steps")
    return traces


def shares_over_steps(traces: Mapping[int, RoutingTrace]) -> pd.DataFrame:
    """`analysis.roles` (shares, purity and role of each expert) with a column step before it."""
    return _over_steps(traces, roles)


def health_over_steps(traces: Mapping[int, RoutingTrace]) -> pd.DataFrame:
    """`analysis.router_health` (drops, entropies) by step, with router saturation beside it."""
    health = _over_steps(traces, router_health)
    settled = router_saturation(traces).drop(columns="tokens")
    return health.merge(settled, on=["step", "layer", "modality"], validate="one_to_one")


def specialisation_over_steps(
    traces: Mapping[int, RoutingTrace], *, samples: int = 200, seed: int = 0
) -> pd.DataFrame:
    """`analysis.modality_specialisation` (NMI with its interval) by step."""
    return _over_steps(
        traces, lambda trace: modality_specialisation(trace, samples=samples, seed=seed)
    )


def _over_steps(
    traces: Mapping[int, RoutingTrace], measure: Callable[[RoutingTrace], pd.DataFrame]
) -> pd.DataFrame:
    frames = []
    for step in sorted(traces):
        frame = measure(traces[step])
        frame.insert(0, "step", step)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def metrics_frame(run: ProbedRun) -> pd.DataFrame:
    """metrics.jsonl as a frame, one row a logged step, sorted; nested names joined by dots.

    Lists become one column an entry: `layers.0.drop_image`. A step that was logged twice (a run
    that was stopped and resumed) keeps its latest line.
    """
    lines = [_flat(line) for line in run.metrics()]
    if not lines:
        return pd.DataFrame({"step": pd.Series(dtype="int64")})
    frame = pd.DataFrame(lines)
    if "step" not in frame:
        raise AnalysisError("metrics.jsonl has no `step` in its lines; it is not one of our runs")
    return frame.drop_duplicates("step", keep="last").sort_values("step", ignore_index=True)


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping):
        items = [(str(key), part) for key, part in value.items()]
    elif isinstance(value, list):
        items = [(str(index), part) for index, part in enumerate(value)]
    else:
        return {name: value}
    flat: dict[str, Any] = {}
    for key, part in items:
        flat |= _flat(part, f"{name}.{key}" if name else key)
    return flat
