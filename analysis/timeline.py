"""A run's losses and routing over training, as one tidy frame."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from analysis.emergence import (
    ProbedRun,
    health_over_steps,
    metrics_frame,
    specialisation_over_steps,
)
from limoe_core.trace import RoutingTrace

#: Measures of a timeline, in the order of a figure's rows, with the unit of each.
MEASURES: dict[str, str] = {
    "contrastive loss": "nats",
    "validation top-1": "share",
    "modality NMI": "0 to 1",
    "token entropy": "nats",
    "mean entropy": "nats",
    "drop rate": "share",
    "saturation": "share",
}

_COLUMNS = ["step", "measure", "layer", "modality", "value", "low", "high"]
_OF_HEALTH = {
    "token_entropy": "token entropy",
    "mean_entropy": "mean entropy",
    "drop_rate": "drop rate",
    "saturation": "saturation",
}
_OF_METRICS = {"contrastive": "contrastive loss", "validation.top1": "validation top-1"}


def timeline_frame(
    run: ProbedRun, traces: Mapping[int, RoutingTrace] | None = None, *, samples: int = 200
) -> pd.DataFrame:
    """Loss, validation, specialisation, entropies, drops and saturation by step.

    Columns: step, measure (one of `MEASURES`), layer and modality (missing where a measure has
    none), value, low, high (95 % interval, missing where there is none). The loss and validation
    come from metrics.jsonl, the rest from the probe traces; either may be missing.

    Args:
      traces: `analysis.probe_traces(run)` if already read; read from the run otherwise.
      samples: bootstrap resamples behind the intervals of the NMI.
    """
    if traces is None:
        traces = {step: run.probe(step) for step in run.probe_steps()}
    if not any(trace.num_layers for trace in traces.values()):
        return join_timeline(metrics_frame(run))
    return join_timeline(
        metrics_frame(run),
        health_over_steps(traces),
        specialisation_over_steps(traces, samples=samples),
    )


def join_timeline(
    metrics: pd.DataFrame,
    health: pd.DataFrame | None = None,
    specialisation: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """A `timeline_frame` from its parts, where they are already computed.

    Args:
      metrics: `analysis.metrics_frame`.
      health: `analysis.health_over_steps`.
      specialisation: `analysis.specialisation_over_steps`.
    """
    parts = [_of_metrics(metrics)]
    if health is not None:
        parts.append(_of_health(health))
    if specialisation is not None:
        parts.append(
            specialisation.rename(columns={"nmi": "value"}).assign(
                measure="modality NMI", modality=None
            )[_COLUMNS]
        )
    found = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    found["layer"] = found["layer"].astype("Int64")
    order = found["measure"].map({name: place for place, name in enumerate(MEASURES)})
    return (
        found.assign(order=order)
        .sort_values(["order", "layer", "modality", "step"], kind="stable", ignore_index=True)
        .drop(columns="order")
    )


def _of_metrics(metrics: pd.DataFrame) -> pd.DataFrame:
    parts = [
        metrics[["step"]]
        .assign(**{column: pd.to_numeric(metrics[column], errors="coerce").astype(float)})
        .dropna()
        .rename(columns={column: "value"})
        .assign(measure=measure, layer=None, modality=None, low=float("nan"), high=float("nan"))
        for column, measure in _OF_METRICS.items()
        if column in metrics
    ]
    empty = pd.DataFrame(columns=_COLUMNS)
    return pd.concat(parts, ignore_index=True)[_COLUMNS] if parts else empty


def _of_health(health: pd.DataFrame) -> pd.DataFrame:
    long = health.melt(
        id_vars=["step", "layer", "modality"], value_vars=list(_OF_HEALTH), var_name="measure"
    )
    long["measure"] = long["measure"].map(_OF_HEALTH)
    return long.assign(low=float("nan"), high=float("nan"))[_COLUMNS]
