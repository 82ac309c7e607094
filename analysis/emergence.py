"""A run's probe traces and metrics as frames over training steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import pandas as pd

from analysis.arguments import check_traces
from analysis.errors import AnalysisError
from analysis.saturation import router_saturation
from analysis.shares import router_health
from analysis.specialisation import modality_specialisation, roles
from limoe_core.trace import RoutingTrace

#: Most cells of a frame of metrics: 256 MiB of numbers. A log as long as is read has half as many.
_MOST_CELLS = 2**25


class ProbedRun(Protocol):
    """The part of a `limoe_core.runs.directory.Run` that is read here."""

    def probe_steps(self) -> list[int]: ...
    def probe(self, step: int) -> RoutingTrace: ...
    def metrics(self) -> list[dict[str, Any]]: ...


def probe_traces(run: ProbedRun, steps: Sequence[int] | None = None) -> dict[int, RoutingTrace]:
    """The run's probe traces, by step.

    Args:
      steps: only these steps; all by default.

    Raises:
      AnalysisError: the run has none yet, or `steps` is not a list.
    """
    if isinstance(steps, int | str):
        raise AnalysisError(f"steps must be a list of steps, such as [{steps}], not {steps!r}")
    traces = {step: run.probe(step) for step in (run.probe_steps() if steps is None else steps)}
    if not traces:
        raise AnalysisError("the run has no probe traces yet; they come with its first steps")
    return traces


def shares_over_steps(traces: Mapping[int, RoutingTrace]) -> pd.DataFrame:
    """`analysis.roles` (shares, purity and role of each expert) by step.

    Raises:
      AnalysisError: there are no traces.
    """
    return _over_steps(traces, roles)


def health_over_steps(traces: Mapping[int, RoutingTrace]) -> pd.DataFrame:
    """`analysis.router_health` (drops, entropies) by step, with router saturation.

    Raises:
      AnalysisError: there are no traces, or they are of different tokens.
    """
    health = _over_steps(traces, router_health)
    settled = router_saturation(traces).drop(columns="tokens")
    settled = settled.rename(columns={"chance": "saturation_chance"})
    return health.merge(settled, on=["step", "layer", "modality"], validate="one_to_one")


def specialisation_over_steps(
    traces: Mapping[int, RoutingTrace], *, samples: int = 200, seed: int = 0
) -> pd.DataFrame:
    """`analysis.modality_specialisation` (NMI with its interval) by step.

    Raises:
      AnalysisError: there are no traces, or as `analysis.modality_specialisation`.
    """
    return _over_steps(
        traces, lambda trace: modality_specialisation(trace, samples=samples, seed=seed)
    )


def _over_steps(
    traces: Mapping[int, RoutingTrace], measure: Callable[[RoutingTrace], pd.DataFrame]
) -> pd.DataFrame:
    check_traces(traces)
    frames = []
    for step in sorted(traces):
        frame = measure(traces[step])
        frame.insert(0, "step", step)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def metrics_frame(run: ProbedRun) -> pd.DataFrame:
    """metrics.jsonl as a frame: one row per step, sorted; nested names joined by dots.

    Lists become one column per entry: `routers.0.dropped.image`. Several lines about one step
    (losses in one, validation in another) are joined; the later line wins where they differ.

    Raises:
      AnalysisError: its lines have so few names in common that the frame would be far larger than
        the log.
    """
    steps: dict[int, dict[str, Any]] = {}
    for line in run.metrics():
        if "step" in line:
            steps.setdefault(int(line["step"]), {}).update(_flat(line))
    if not steps:
        return pd.DataFrame({"step": pd.Series(dtype="int64")})
    names = {name for values in steps.values() for name in values}
    if len(names) * len(steps) > _MOST_CELLS:
        raise AnalysisError(
            f"the log has {len(names):,} names in {len(steps):,} steps, which is more than a frame "
            "can hold; a log of training has the same few names in each line"
        )
    return pd.DataFrame([steps[step] for step in sorted(steps)])


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
