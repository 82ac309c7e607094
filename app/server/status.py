"""How far a run has come and what it is doing now."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from app.parts.messages import counted
from limoe_core.runs import Run, RunError
from limoe_core.runs.progress import Progress

#: What a run is doing. `new`: nothing was said or logged yet. `recorded`: it holds traces of
#: another model, which is not trained here. The last three are not in training any more.
State = Literal[
    "new",
    "recorded",
    "starting",
    "compiling",
    "training",
    "looking",
    "stopped",
    "failed",
    "finished",
]

#: Where nothing tells whether a process still trains it, a run that said something so many seconds
#: ago is taken to be in training.
_YOUNG = 180.0
#: Nothing is compiled for longer, in seconds.
_LONGEST = 86_400.0
#: Seconds after which nobody waits.
_NEVER = 1e9
_ACTIVE: tuple[State, ...] = ("starting", "compiling", "training", "looking")


@dataclass(frozen=True)
class Status:
    """One run's status at one moment."""

    state: State
    step: int
    """Steps done, as far as it was logged or saved."""
    steps: int
    """Steps in all."""
    speed: float | None = None
    """Steps per second, of the last logged ones."""
    busy: float = 0.0
    """Seconds since this state began, where the run says so."""
    expected: float | None = None
    """Seconds that compiling took the last time."""
    note: str = ""
    """Why it failed."""

    @classmethod
    def of(cls, run: Run) -> Status:
        """The run's status now, from what it says, what it logged and who holds it."""
        if run.other is not None:
            return cls("recorded", max(run.probe_steps(), default=0), 0)
        said = run.progress()
        try:
            line = run.newest_metrics() or {}
            saved = max(run.steps(), default=0)
            probed = max(run.probe_steps(), default=0)
        except (RunError, OSError):
            line, saved, probed = {}, 0, 0
        logged = line.get("time")
        last = logged if isinstance(logged, int | float) else 0.0
        step = max(int(line.get("step", 0)), said.step if said else 0, saved, probed)
        steps = run.config.train.steps
        if not _growing(run, said, last, step < steps):
            return cls(_ended(said, step, steps), step, steps, note=said.note if said else "")
        active = [each for each in _ACTIVE if said is not None and said.phase == each]
        pairs = line.get("pairs_per_second")
        speed = pairs / run.config.data.batch_size if isinstance(pairs, int | float) else None
        return cls(
            active[0] if active else "training",
            step,
            steps,
            speed or None,
            max(0.0, time.time() - said.time) if said is not None else 0.0,
            said.expected if said is not None else None,
        )

    @property
    def growing(self) -> bool:
        """Whether the run is in training now."""
        return self.state in _ACTIVE

    @property
    def left(self) -> float | None:
        """Seconds until the last step at the present speed; None where that is not known."""
        if not self.growing or self.speed is None or self.step < 2:
            return None
        left = (self.steps - self.step) / self.speed
        return left if 0 <= left < _NEVER else None  # whatever speed a log claims

    @property
    def sentence(self) -> str:
        """The status in words."""
        at = f"step {self.step:,} of {self.steps:,}"
        match self.state:
            case "new":
                return "Training has not begun."
            case "recorded":
                return "Traces of another model, which is not trained here."
            case "starting":
                return f"In training: making the model, at {at}."
            case "compiling":
                usual = f", {duration(self.expected)} the last time" if self.expected else ""
                return (
                    f"In training: compiling the step, for {duration(self.busy)} now{usual}; {at}."
                )
            case "looking":
                return f"In training: recording probe traces and validation at {at}."
            case "training":
                speed = f", {self.speed:.3g} steps per second" if self.speed else ""
                left = f", about {duration(self.left)} left" if self.left is not None else ""
                return f"In training: {at}{speed}{left}."
            case "recorded":
                return "Recorded with another model; not trained here."
            case "failed":
                return f"Training failed at {at}. {self.note}".strip()
            case "stopped":
                return f"Stopped at {at}; --resume goes on."
        return f"Training finished at step {self.step:,}."


def may_be_growing(run: Run) -> bool:
    """Whether a run may be in training now; False for most without opening what they logged."""
    if run.other is not None:
        return False
    held = run.in_training()
    if held is not None:
        return held
    said = run.progress()
    if said is not None and said.phase in ("ended", "failed"):
        return False
    return _is_young(run.stamp("metrics")[0] / 1e9) or _said_lately(said)


def duration(seconds: float) -> str:
    """A time span in words, in its two largest units at most."""
    whole = round(seconds)
    if whole < 90:
        return counted(whole, "second")
    if whole < 5400:
        return counted(round(seconds / 60), "minute")
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours < 48:
        return counted(hours, "hour") + (f" {counted(minutes, 'minute')}" if minutes else "")
    return counted(round(hours / 24), "day")


def _growing(run: Run, said: Progress | None, logged: float, unfinished: bool) -> bool:
    if not may_be_growing(run):
        return False
    if run.in_training():
        return True
    return unfinished and (_is_young(logged) or _said_lately(said))  # a copy is a young file too


def _said_lately(said: Progress | None) -> bool:
    if said is None:
        return False
    return _is_young(said.time, min(said.expected or 0.0, _LONGEST))


def _is_young(moment: float, lasting: float = 0.0) -> bool:
    """Whether it was a short time ago; what lies ahead, but for clocks that differ, is no time.

    Args:
      lasting: seconds that nothing more was to be said after it.
    """
    return -_YOUNG < time.time() - moment < _YOUNG + lasting


def _ended(said: Progress | None, step: int, steps: int) -> State:
    if said is not None and said.phase == "failed":
        return "failed"
    if step >= steps:
        return "finished"
    return "stopped" if step or said is not None else "new"
