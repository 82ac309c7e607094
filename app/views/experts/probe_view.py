"""The probe trace behind the Experts page, and the caption about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from analysis.recipes import Recorded
from app.components.routing import Group
from app.parts import messages
from app.parts.glossary import TERMS
from app.server import recorded, runs
from app.shell import controls
from limoe_core.runs.directory import Run
from limoe_core.trace import IMAGE, TEXT, RoutingTrace

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Source:
    """A run's probe trace at one step, and the chosen layer."""

    run: Run
    step: int
    layer: int

    @cached_property
    def trace(self) -> RoutingTrace:
        """The routing of the probe pairs.

        Raises:
          RunError: it is missing or damaged.
        """
        return runs.probe(self.run, self.step)

    @cached_property
    def recorded(self) -> Recorded[RoutingTrace]:
        """`trace`, for what is made of it."""
        return recorded.probe(self.run, self.step)

    def measure(self, measure: Callable[..., T], *options: object) -> Recorded[T]:
        """`measure(trace, *options)`, once per server."""
        return recorded.measured(measure, self.recorded, *options)

    def untrained(self, measure: Callable[..., T], *options: object) -> Recorded[T] | None:
        """`measure` before the first step; None if the run has no such probe, or shows it now."""
        if self.step == 0 or 0 not in self.run.probe_steps():
            return None
        return recorded.measured(measure, recorded.probe(self.run, 0), *options)

    def file(self, name: str, *, layer: bool = False) -> str:
        """Name of a saved file."""
        block = f"-block{self.layer}" if layer else ""
        return f"{name}-{self.run.name}-step{self.step}{block}"

    @property
    def router(self) -> str:
        """What the chosen layer is called: "block 4"."""
        return messages.visible(self.run.routers[self.layer], 60)

    def _of_another_model(self, patches: int, pieces: int) -> str:
        trace, run = self.trace, self.run
        assert run.other is not None
        every = run.recorded_pairs(self.step)
        some = f", the first of {every:,} recorded" if every > trace.num_pairs else ""
        others = trace.num_tokens - patches - pieces
        left = f"; {others:,} tokens of other kinds are not counted" if others else ""
        factor = None if trace.routers is None else trace.routers.capacity_factor
        room = {0: " No token is dropped: experts have no capacity."}.get(factor, "")
        return (
            f"{run.other.called}, traces of step {self.step:,}. "
            f"n = {messages.counted(trace.num_pairs, 'pair')}{some}, {patches:,} patches and "
            f"{pieces:,} pieces of text{left}.{room}"
        )

    @property
    def sentence(self) -> str:
        """Caption for all numbers on the page: n, split, step and capacity."""
        trace = self.trace
        patches = int((trace.modality == IMAGE).sum())
        pieces = int((trace.modality == TEXT).sum())
        if self.run.other is not None:
            return self._of_another_model(patches, pieces)
        group = Group.of(trace, self.run.config.model.capacity_factor, self.step)
        data = self.run.info.get("data")
        name = data.get("name", "") if isinstance(data, dict) else ""
        room = "" if group.capacity is None else f", at most {group.capacity:,} tokens per expert"
        return (
            f"Step {self.step:,}. n = {messages.counted(trace.num_pairs, 'pair')} of the "
            f"validation split{f' of {name}' if name else ''}, {patches:,} patches and {pieces:,} "
            f"pieces of text, routed as one group at training capacity{room}."
        )


def choose_modality() -> str:
    """Draws the choice of the tokens to look at: "image" or "text"."""
    return controls.choice(
        "tokens",
        "Tokens",
        ["image", "text"],
        noun="modality",
        words={"image": "patches", "text": "pieces of text"},
        look="buttons",
        help=TERMS["modality"],
    )
