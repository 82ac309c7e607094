"""Where each part of a run lies, and when it last changed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from limoe_core.runs import experts, predictions, probes
from limoe_core.runs.files import (
    CAUSAL,
    CONFIG,
    EVALUATIONS,
    EVENTS,
    EXAMPLES,
    EXPERTS,
    METRICS,
    PARAMS,
    PICTURES,
    PROBES,
    PROGRESS,
    STEPS,
    TOKENIZER,
    stamp_of,
)

#: A part of a run that lies in a file or a folder of its own.
Part = Literal[
    "config",
    "tokenizer",
    "metrics",
    "progress",
    "evaluations",
    "predictions",
    "parameters",
    "probe",
    "probe pictures",
    "examples",
    "experts",
    "causal",
    "events",
]
#: Time of the last change in ns, and size in bytes; of parameters a digest of both of all files.
Stamp = tuple[int, int]


def place_of(run: Path, part: Part, step: int | None = None, task: str = "") -> Path:
    """File or folder of a part of the run in the folder `run`; see `Run.path_of`."""
    match part:
        case "config":
            return run / CONFIG
        case "tokenizer":
            return run / TOKENIZER
        case "metrics":
            return run / METRICS
        case "progress":
            return run / PROGRESS
        case "evaluations":
            return run / EVALUATIONS
        case "predictions":
            return predictions.predictions_path(run, task, _given(step, part))
        case "parameters":
            return run / STEPS / str(_given(step, part))
        case "probe":
            return probes.path(run / PROBES, _given(step, part))
        case "probe pictures":
            return run / PROBES / PICTURES
        case "examples":
            return run / EXAMPLES
        case "experts":
            return experts.path(run / EXPERTS, _given(step, part))
        case "causal":
            return run / CAUSAL
        case "events":
            return run / EVENTS


def stamp_of_part(run: Path, part: Part, step: int | None = None, task: str = "") -> Stamp:
    """A value that changes when a part does; (0, 0) while it is not there."""
    place = place_of(run, part, step, task)
    return stamp_of(place / PARAMS if part == "parameters" else place)


def _given(step: int | None, part: str) -> int:
    if step is None:
        raise ValueError(f"{part} is kept by step: say which")
    return int(step)
