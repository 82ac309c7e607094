"""The routing behind the Experts page, and the caption about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import analysis
from analysis import figures as drawn
from analysis.errors import AnalysisError
from analysis.recipes import Recorded, record
from analysis.slices import slice_pairs
from app.components.routing import Group
from app.parts import messages
from app.parts.glossary import TERMS
from app.server import recorded, runs
from app.shell import controls
from app.shell.conditions import Slice
from limoe_core.runs.directory import Run, RunError
from limoe_core.trace import IMAGE, TEXT, RoutingTrace

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from limoe_core.runs.experts import ExpertRecord

T = TypeVar("T")

#: Labels of a pair, which not every data set has.
PAIR_LABELS = ("category", "style", "language")


@dataclass(frozen=True, eq=False)
class Source:
    """What routers decided at one step of a run, and the chosen layer.

    On the thousand pairs of `evaluate --experts` where these were measured at the step, else on the
    probe pairs.
    """

    run: Run
    step: int
    layer: int
    slice: Slice | None = None
    """What the page is of; None for all pairs."""
    apart: bool = False
    """Whether the other views of the page are of more pairs, those of `evaluate --experts`."""

    @cached_property
    def measured(self) -> Recorded[ExpertRecord] | None:
        """What `evaluate --experts` measured; None, if it is damaged with a message."""
        if not self.run.has("experts", self.step):
            return None
        try:
            return recorded.experts(self.run, self.step)
        except RunError as error:
            messages.say("warning", f"The probe pairs are shown instead: {error}")
            return None

    @property
    def trace(self) -> RoutingTrace:
        """The routing of the pairs of the page.

        Raises:
          RunError: it is missing or damaged.
        """
        return self.recorded.value

    @cached_property
    def recorded(self) -> Recorded[RoutingTrace]:
        """`trace`, for what is made of it."""
        return self._sliced(self._all)

    @property
    def whole(self) -> RoutingTrace:
        """The routing of all pairs, in the slice and not.

        Raises:
          RunError: it is missing or damaged.
        """
        return self._all.value

    @cached_property
    def where(self) -> dict[str, list[str]]:
        """The slice as conditions on these pairs; none for all.

        Raises:
          AnalysisError: it is of numbers of probe pairs, of which nothing more is known.
        """
        if self.slice is None:
            return {}
        return self.slice.where if self.measured is None else self.slice.of_pictures(self.run)

    @cached_property
    def pairs(self) -> list[int]:
        """Numbers of the pairs of the page among all."""
        return slice_pairs(self.whole, self.where)

    def _sliced(self, whole: Recorded[RoutingTrace]) -> Recorded[RoutingTrace]:
        if not self.where:
            return whole
        if any(label.startswith("block ") for label in self.where):
            # By experts of the step in view, whichever step is looked at.
            return record(RoutingTrace.select, whole, self.pairs)
        return record(analysis.slice_trace, whole, self.where)

    @cached_property
    def _all(self) -> Recorded[RoutingTrace]:
        if self.measured is None:
            return recorded.probe(self.run, self.step)
        trace = self.measured.attribute("trace")
        readable = record(analysis.readable, trace, runs.LONGEST_TEXT)
        if readable.value == trace.value:
            return trace
        return recorded.kept(readable)

    @cached_property
    def on_probes(self) -> Source:
        """The same step, layer and run on the probe pairs, whose pictures the run keeps."""
        found = Source(self.run, self.step, self.layer, self.slice, self.measured is not None)
        found.__dict__["measured"] = None
        return found

    @property
    def is_of_probes_alone(self) -> bool:
        """Whether the slice holds none of the pairs that were measured, and some of the probes."""
        if self.measured is None or self.slice is None:
            return False
        if self.step not in self.run.probe_steps():
            return False
        return not self._holds_any and self.on_probes._holds_any

    @property
    def _holds_any(self) -> bool:
        try:
            return bool(self.pairs)
        except AnalysisError:
            return False

    @cached_property
    def of_all(self) -> Source:
        """The same on all pairs, whatever the slice."""
        found = Source(self.run, self.step, self.layer, apart=self.apart)
        found.__dict__["measured"] = self.measured
        return found

    def measure(self, measure: Callable[..., T], *options: object) -> Recorded[T]:
        """`measure(trace, *options)`, once per server."""
        return recorded.measured(measure, self.recorded, *options)

    @property
    def health(self) -> Recorded[pd.DataFrame]:
        """`analysis.router_health`."""
        if self.measured is None or self.where:
            return self.measure(analysis.router_health)
        return recorded.measured(analysis.measured_health, self.measured)

    @property
    def baselines(self) -> Recorded[pd.DataFrame] | None:
        """`analysis.specialisation_baselines`; None where they were not measured, as of a slice."""
        if self.measured is None or self.where:
            return None
        return recorded.measured(analysis.specialisation_baselines, self.measured)

    def untrained(self, measure: Callable[..., T], *options: object) -> Recorded[T] | None:
        """`measure` before the first step on the probe pairs.

        None if the run has no such probe, or shows it now, or has better ones: see `measured`.
        """
        if self.measured is not None or self.step == 0 or 0 not in self.run.probe_steps():
            return None
        return recorded.measured(measure, self._sliced(recorded.probe(self.run, 0)), *options)

    def file(self, name: str, *, layer: bool = False) -> str:
        """Name of a saved file."""
        block = f"-block{self.layer}" if layer else ""
        return f"{name}-{self.run.name}-step{self.step}{block}"

    @property
    def router(self) -> str:
        """What the chosen layer is called: "block 4"."""
        return messages.visible(self.run.routers[self.layer], 60)

    def has_label(self, label: str) -> bool:
        """Whether the pairs say anything under a label, as own pictures without categories do not.

        Position, script, word and piece are of the tokens themselves, and always known.
        """
        if label not in PAIR_LABELS:
            return True
        return label in self.trace.meta and bool((self.trace.meta[label].astype(str) != "").any())

    def named(self, figure: Recorded[go.Figure]) -> Recorded[go.Figure]:
        """The figure with its layers called by the names of their routers."""
        if self.run.other is None:
            return figure
        return record(drawn.name_layers, figure, recorded.opened(self.run).attribute("routers"))

    def with_names(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame with names of routers for their numbers, where these are not of blocks."""
        if self.run.other is None:
            return frame
        return frame.assign(layer=frame["layer"].map(self.run.routers).map(messages.visible))

    def _of_another_model(self, patches: int, pieces: int) -> str:
        trace, run = self.trace, self.run
        assert run.other is not None
        every = run.recorded_pairs(self.step)
        some = f", the first of {every:,} recorded" if every > trace.num_pairs else ""
        others = trace.num_tokens - patches - pieces
        left = f"; {others:,} tokens of other kinds are not counted" if others else ""
        factor = None if trace.routers is None else trace.routers.capacity_factor
        room = " No token is dropped: experts have no capacity." if factor == 0 else ""
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
        tokens = f"{patches:,} patches and {pieces:,} pieces of text"
        pairs = messages.counted(trace.num_pairs, "pair")
        if self.where:
            pairs = f"{pairs} in the slice, of {self.whole.num_pairs:,}"
        if self.measured is not None:
            told = self.measured.value.told
            splits = ", ".join(f"{count:,} of {split}" for split, count in told["splits"].items())
            return (
                f"Step {self.step:,}. n = {pairs} of {told['data']} that training never saw "
                f"({splits}), {tokens}, routed {told['group']} at a time at training capacity; "
                "measured by evaluate --experts."
            )
        group = Group.of(self.whole, self.run.config.model.capacity_factor, self.step)
        data = self.run.info.get("data")
        name = data.get("name", "") if isinstance(data, dict) else ""
        room = "" if group.capacity is None else f", at most {group.capacity:,} tokens per expert"
        return (
            f"Step {self.step:,}. n = {pairs} of the validation split"
            f"{f' of {name}' if name else ''}, {tokens}, routed as one group at training "
            f"capacity{room}. Few pairs: "
            + (
                "the other views are of those that evaluate --experts measured."
                if self.apart
                else "evaluate --experts measures a step on up to 1,024."
            )
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
