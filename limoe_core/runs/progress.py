"""What a run in training is doing, from before its first step to its end, as it says itself."""

from __future__ import annotations

import hashlib
import math
import platform
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from limoe_core.confined import ANYWHERE
from limoe_core.files import write_json
from limoe_core.runs.files import RunError, is_there, read_json

#: `starting`: parameters and optimizer are made or restored. `compiling`: the next step is compiled
#: and then made. `training`: step after step. `looking`: probe traces and validation. `ended`: the
#: last step is done, or a stop was asked for. `failed`: it cannot go on.
Phase = Literal["starting", "compiling", "training", "looking", "ended", "failed"]

_PHASES: tuple[Phase, ...] = get_args(Phase)
_LARGEST = 64 * 1024  # bytes
_LONGEST = 2000  # characters of a note


@dataclass(frozen=True)
class Progress:
    """One phase of a training run. It is written when the phase begins, not with every step."""

    phase: Phase
    step: int
    """Steps done."""
    expected: float | None = None
    """Seconds that compiling took the last time on this machine; None where that is not known."""
    note: str = ""
    """Why training failed."""
    time: float = field(default_factory=time.time)
    """When the phase began, in seconds since 1970."""
    host: str = field(default_factory=lambda: this_host())
    """Stands for the machine that trains, without its name."""


def this_host() -> str:
    """Stands for this machine in `Progress.host`."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:12]


def write(path: Path, progress: Progress) -> None:
    """Puts `progress` in the place of what was said before."""
    write_json(path, asdict(progress))


def read(path: Path, within: Path = ANYWHERE) -> Progress | None:
    """What the run said last; None where it says nothing, or nothing that can be used.

    It helps readers who wait and nothing depends on it, so a damaged file is no error.
    """
    if not is_there(path):
        return None
    try:
        return _progress(read_json(path, _LARGEST, within))
    except RunError:
        return None


def _progress(values: dict[str, Any]) -> Progress | None:
    phase = next((each for each in _PHASES if each == values.get("phase")), None)
    step = values.get("step")
    if phase is None or type(step) is not int or not 0 <= step < 10**12:
        return None
    note, host = values.get("note"), values.get("host")
    return Progress(
        phase,
        step,
        _seconds(values.get("expected")),
        note[:_LONGEST] if isinstance(note, str) else "",
        _seconds(values.get("time")) or 0.0,
        host[:64] if isinstance(host, str) else "",
    )


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None
