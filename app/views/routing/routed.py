"""Where the routing of a pair comes from: the record of training, or the model now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from jaxtyping import UInt8

import analysis
from analysis.recipes import Recorded, record
from app.components.routing import Group, Shown
from app.pair import routing as pair_routing
from app.pair.chosen import Pair
from app.parts import messages, pictures, texts
from app.parts.glossary import help_text
from app.server import recorded, runs
from app.shell import controls, state
from limoe_core.config import ModelConfig
from limoe_core.runs.directory import Run, RunError
from limoe_core.trace import RoutingTrace

if TYPE_CHECKING:
    import pandas as pd

#: Routing group of the pair, by name in the address bar.
_TOGETHER, ALONE, _TRAINING = "together", "alone", "alone-as-in-training"


@dataclass(frozen=True, eq=False)
class Routed:
    """A pair's routing with its group and pictures."""

    recorded: Recorded[RoutingTrace]
    group: Group
    picture: str | None = None
    """The model's input as a data URL."""
    sharp: str | None = None
    pictures: Sequence[Shown] | None = None
    """Instead of both, of a pair with pictures of their own sizes."""

    @property
    def trace(self) -> RoutingTrace:
        """The routing itself."""
        return self.recorded.value


@dataclass(frozen=True, eq=False)
class Examples:
    """The run's probe pairs at the step in view, or at the nearest step that has them."""

    run: Run
    step: int
    """The step in view."""
    trace: RoutingTrace | None
    pictures: UInt8[np.ndarray, "n s s 3"] | None

    @classmethod
    def of(cls, run: Run, step: int) -> Examples:
        """Those of a run; none, with a message on the page, where they are damaged."""
        probed = run.probe_steps()
        try:
            trace = None
            if probed:
                trace = runs.probe(run, min(probed, key=lambda each: abs(each - step)))
            pixels = runs.probe_pictures(run)
            if trace is not None and pixels is not None and len(pixels) != trace.num_pairs:
                raise RunError(f"{len(pixels):,} pictures are kept of {trace.num_pairs:,} pairs")
        except RunError as error:
            messages.say("error", f"The examples of this run cannot be shown: {error}")
            trace, pixels = None, None
        return cls(run, step, trace, pixels)

    def caption(self, example: int | None) -> str:
        """The text of an example; "" for none."""
        return "" if self.trace is None or example is None else str(self.trace.captions[example])

    @property
    def recorded(self) -> bool:
        """Whether they were recorded at the very step in view."""
        return self.trace is not None and self.step in self.run.probe_steps()


def ways(model: ModelConfig) -> dict[str, str]:
    """Ways to route a pair alone, by their name in the address bar, in words."""
    factor = model.eval_capacity_factor
    room = f"capacity factor {factor:g}" if factor else "unlimited capacity"
    return {ALONE: f"alone, {room} (inference)", _TRAINING: "alone, training capacity"}


def choose_way(examples: Examples, pair: Pair) -> str:
    """Draws the choice of the routing group: the probe pairs, or the pair alone."""
    known = ways(examples.run.config.model)
    if pair.is_example and examples.recorded and examples.trace is not None:
        known = {_TOGETHER: f"with all {examples.trace.num_pairs} probe pairs", **known}
    with st.sidebar:
        return controls.choice(
            "routed",
            "Routed",
            list(known),
            noun="way of routing",
            words=known,
            say=False,  # a text of one's own cannot be routed with the probe pairs
            help="Tokens compete for capacity with all others of their routing group. Examples "
            "were recorded as one group at training capacity; a pair of your own is routed "
            "alone.\n\n" + help_text("capacity", "dropped"),
        )


def route(examples: Examples, pair: Pair, way: str) -> Routed | None:
    """The pair's routing; None, with a message on the page, if there is none.

    Args:
      way: what `choose_way` gave, of this pair or of another one beside it.
    """
    if not pair.with_picture and not pair.text.strip():
        messages.say("info", "There is nothing to route: type a text or upload a picture.")
        return None
    if pair.with_picture and not pair.text.strip():
        messages.say("info", "The text is empty: the picture is routed alone.")
    together = pair.is_example and examples.recorded
    if way == _TOGETHER and together:
        return _recorded(examples, pair)
    try:
        return _computed(examples, pair, training=way == _TRAINING)
    except RunError as error:
        messages.say("error", f"This pair cannot be routed by the model: {error}")
    if pair.example is None or not examples.recorded:
        return None
    messages.say("info", "Shown instead: the example as recorded during training.")
    return _recorded(examples, pair)


def similarity(examples: Examples, pair: Pair, routed: Routed) -> Recorded[pd.DataFrame]:
    """`analysis.pair_similarity`, among the probe pairs where they are of the same step."""
    if not examples.recorded or routed.group.step != examples.step:
        return record(analysis.pair_similarity, routed.recorded)
    own = pair.example if pair.with_picture and pair.upload is None else None
    probe = recorded.probe(examples.run, examples.step)
    return record(analysis.pair_similarity, routed.recorded, probe, picture=own)


def _recorded(examples: Examples, pair: Pair) -> Routed:
    run, step, probe, shown = examples.run, examples.step, examples.trace, examples.pictures
    example = pair.example
    assert probe is not None and example is not None
    return Routed(
        recorded=record(RoutingTrace.select, recorded.probe(run, step), [example]),
        group=group_of(run, step, probe, run.config.model.capacity_factor),
        picture=_blank(probe) if shown is None else pictures.data_address(shown[example]),
        sharp=None,
    )


def group_of(run: Run, step: int, probe: RoutingTrace, factor: float | None) -> Group:
    """All pairs of a probe trace as one group, counted once per server.

    Args:
      factor: capacity factor; see `Group`.
    """
    return _group(str(run.path), step, run.stamp("probe", step), factor, probe)


@st.cache_resource(max_entries=64, show_spinner=False)
def _group(
    path: str, step: int, changed: tuple[int, int], factor: float | None, _trace: RoutingTrace
) -> Group:
    return Group.of(_trace, factor, step)


def _computed(examples: Examples, pair: Pair, *, training: bool) -> Routed:
    """The routing computed by the model.

    Raises:
      RunError: there are no parameters, or no picture.
    """
    run, step, shown = examples.run, examples.step, examples.pictures
    model = run.config.model
    stored = run.steps()
    if not stored:
        raise RunError("the run holds no parameters, so only its recorded examples can be shown")
    nearest = min(stored, key=lambda each: abs(each - step))
    if nearest != step:
        messages.say(
            "info",
            f"Step {step:,} has a probe trace but no parameters, so your pair is routed by step "
            f"{nearest:,}, the nearest with parameters.",
        )
    factor = model.capacity_factor if training else model.eval_capacity_factor
    seen = pair_routing.shown(run, pair, shown)
    with st.spinner("Routing … (the model is loaded the first time)"):
        routed = pair_routing.route(run, nearest, seen.picture, pair.text, factor)
        trace = routed.value
    _say_how_it_is_read(run, nearest, pair.text)
    return Routed(
        recorded=routed,
        group=Group.of(trace, factor, nearest),
        picture=None
        if seen.pixels is None
        else pictures.data_address(pictures.to_bytes(seen.pixels)),
        sharp=seen.sharp,
    )


def _say_how_it_is_read(run: Run, step: int, text: str) -> None:
    length = run.config.model.text_length
    tokenizer = runs.model(run, step).tokenizer
    texts.say_what_was_changed(tokenizer, [text])
    cut = tokenizer.encode_one(text, length).cut
    if cut:
        messages.say(
            "warning",
            f"The model reads {length} pieces of text. Cut off: "
            f"{messages.counted(len(cut), 'character')}, “{_shortened(cut)}”.",
        )
    if len(text) > state.LONGEST_IN_ADDRESS:
        messages.say(
            "info", "This text is too long for the address bar: a link shows the example's caption."
        )


def _shortened(text: str, longest: int = 120) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _blank(trace: RoutingTrace) -> str:
    """A white picture, for runs that keep none."""
    size = trace.image_size
    return pictures.data_address(np.full((size, size, 3), 255, np.uint8))
