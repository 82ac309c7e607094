"""The probe trace behind the Experts page, and the caption about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import analysis
from analysis.recipes import Recorded, record
from analysis.slices import slice_pairs
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
    where: Mapping[str, list[str]] = field(default_factory=dict)
    """Conditions of the slice that the page is of; none for all pairs."""

    @cached_property
    def whole(self) -> RoutingTrace:
        """The routing of all probe pairs.

        Raises:
          RunError: it is missing or damaged.
        """
        return runs.probe(self.run, self.step)

    @cached_property
    def pairs(self) -> list[int]:
        """Numbers of the pairs of the page among all probe pairs."""
        return slice_pairs(self.whole, self.where)

    @cached_property
    def trace(self) -> RoutingTrace:
        """The routing of the pairs of the page."""
        return self.recorded.value

    @cached_property
    def recorded(self) -> Recorded[RoutingTrace]:
        """`trace`, for what is made of it."""
        return self._of_step(self.step)

    def _of_step(self, step: int) -> Recorded[RoutingTrace]:
        whole = recorded.probe(self.run, step)
        if not self.where:
            return whole
        if any(label.startswith("block ") for label in self.where):
            # By experts of the step in view, whichever step is looked at.
            return record(RoutingTrace.select, whole, self.pairs)
        return record(analysis.slice_trace, whole, dict(self.where))

    def measure(self, measure: Callable[..., T], *options: object) -> Recorded[T]:
        """`measure(trace, *options)`, once per server."""
        return recorded.measured(measure, self.recorded, *options)

    def untrained(self, measure: Callable[..., T], *options: object) -> Recorded[T] | None:
        """`measure` before the first step; None if the run has no such probe, or shows it now."""
        if self.step == 0 or 0 not in self.run.probe_steps():
            return None
        return recorded.measured(measure, self._of_step(0), *options)

    def file(self, name: str, *, layer: bool = False) -> str:
        """Name of a saved file."""
        block = f"-block{self.layer}" if layer else ""
        return f"{name}-{self.run.name}-step{self.step}{block}"

    @property
    def sentence(self) -> str:
        """Caption for all numbers on the page: n, split, step and capacity."""
        trace = self.trace
        patches = int((trace.modality == IMAGE).sum())
        pieces = int((trace.modality == TEXT).sum())
        model = self.run.config.model
        group = Group.of(self.whole, model, model.capacity_factor, self.step)
        data = self.run.info.get("data")
        name = data.get("name", "") if isinstance(data, dict) else ""
        room = "" if group.capacity is None else f", at most {group.capacity:,} tokens per expert"
        return (
            f"Step {self.step:,}. n = {messages.counted(trace.num_pairs, 'pair')} of the "
            f"validation split{f' of {name}' if name else ''}, {patches:,} patches and {pieces:,} "
            f"pieces of text, routed as one group at training capacity{room}."
            + (f" A slice: all {self.whole.num_pairs:,} were routed." if self.where else "")
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
