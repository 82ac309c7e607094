"""The progress bar of a training run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from limoe_core.training.announcer import Announcer


class TrainProgress:
    """A bar with loss and pairs per second; plain lines now and then where there is no terminal."""

    def __init__(
        self, name: str, start: int, steps: int, announcer: Announcer | None = None
    ) -> None:
        """
        Args:
          start: steps done.
          steps: steps in all.
          announcer: says the same in the run, for readers elsewhere.
        """
        self._announcer = announcer
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[state]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(name, total=steps, completed=start, state="compiling")
        self._name = name
        self._steps = steps
        self._last_step = start
        self._last_time = time.perf_counter()
        self._last_line = -float("inf")

    def advance(self, step: int, loss: float, batch_size: int) -> float:
        """Move to `step`. Returns pairs per second since the last call."""
        now = time.perf_counter()
        speed = (step - self._last_step) * batch_size / max(now - self._last_time, 1e-9)
        self._last_step, self._last_time = step, now
        if self._announcer is not None:
            self._announcer.stepped(step)
        state = f"loss {loss:.3f}  {speed:,.0f} pairs/s"
        self._bar.update(self._task, completed=step, state=state)
        if not self._console.is_terminal and (now - self._last_line > 30 or step == self._steps):
            self._last_line = now
            self._console.print(f"{self._name}  step {step}/{self._steps}  {state}")
        return speed

    def compiling(self, step: int, last: float | None) -> None:
        """Say that the step is compiled first, and how many seconds that took the last time."""
        if self._announcer is not None:
            self._announcer.say("compiling", step - 1, expected=last)
        state = "compiling"
        if last is not None and last >= 1:
            state += f", {last:,.0f} s the last time"
        self._bar.update(self._task, state=state)
        if not self._console.is_terminal:
            self._console.print(f"{self._name}  step {step}/{self._steps}  {state}")

    def say(self, step: int, values: Mapping[str, Any]) -> None:
        """Print a line above the bar."""
        told = "  ".join(
            f"{key} {value:.4g}" for key, value in values.items() if isinstance(value, float)
        )
        self._console.print(f"{self._name}  step {step}/{self._steps}  {told}", markup=False)

    def warn(self, step: int, sentence: str) -> None:
        """Print a warning above the bar."""
        self._console.print(f"warning: {self._name}, step {step}: {sentence}", markup=False)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Time spent here does not count as training time."""
        before = time.perf_counter()
        with nullcontext() if self._announcer is None else self._announcer.looking():
            yield
        self._last_time += time.perf_counter() - before

    def __enter__(self) -> Self:
        self._bar.start()
        self._last_time = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()
