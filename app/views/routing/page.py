"""The Routing page: the route of each token of one pair."""

from __future__ import annotations

import numpy as np
import streamlit as st
from jaxtyping import UInt8

from analysis.recipes import record
from app.components.routing import Group
from app.components.training import training_strip
from app.pair import routing as pair_routing
from app.pair.chosen import Pair, choose_example, choose_parts
from app.parts import messages, pictures, texts
from app.parts.glossary import help_text
from app.server import recorded, runs
from app.shell import controls, sidebar, state
from app.views.routing import recorded_pairs
from app.views.routing.drawing import Routed, draw, explain
from limoe_core.runs.directory import Run, RunError
from limoe_core.trace import RoutingTrace

#: Routing group of the pair, by name in the address bar.
_TOGETHER, _ALONE, _TRAINING = "together", "alone", "alone-as-in-training"

#: Maximum number of steps in the strip over training.
_STAGES = 24


def show(run: Run) -> None:
    """Draws the page."""
    if run.other is not None:
        recorded_pairs.show(run)
        return
    model = run.config.model
    if not model.experts:
        messages.say(
            "info",
            f"{run.name} is a dense twin: it has no experts, so there is no routing to show. "
            "Choose a run with experts in the sidebar.",
        )
        return
    steps = sorted({*run.probe_steps(), *run.steps()})
    if not steps:
        messages.say(
            "info",
            f"{run.name} has neither a probe trace nor a checkpoint yet. If it is being trained, "
            "come back in a moment.",
        )
        return
    step = sidebar.choose_step(steps)
    layer = sidebar.choose_layer(run.routers, shown=False)
    try:
        probe = _probe_near(run, step)
        shown = runs.probe_pictures(run)
        if probe is not None and shown is not None and len(shown) != probe.num_pairs:
            raise RunError(f"{len(shown):,} pictures are kept of {probe.num_pairs:,} pairs")
    except RunError as error:
        messages.say("error", f"The examples of this run cannot be shown: {error}")
        probe, shown = None, None
    example = choose_example(run, probe, shown)
    caption = "" if probe is None or example is None else str(probe.captions[example])
    pair = choose_parts(example, caption, model.image_size)
    routed = _routed(run, step, pair, probe, shown)
    if routed is None:
        return
    draw(run, routed, layer)
    if pair.is_example:
        _through_training(run, pair, layer, step)
    explain(run, routed)
    pair_routing.warm_up(run)


def _through_training(run: Run, pair: Pair, layer: int, step: int) -> None:
    """Draws the example at the run's probe steps, side by side."""
    steps = _spread(run.probe_steps(), _STAGES)
    if pair.example is None or len(steps) < 2:
        return
    try:
        traces = {each: runs.probe(run, each).select([pair.example]) for each in steps}
    except RunError as error:
        messages.say("warning", f"A step of this run cannot be shown: {error}")
        return
    training_strip(
        traces,
        current=step,
        layer=layer,
        on_pick=lambda picked: state.put("step", picked),
        key="routing.training",
    )


def _spread(steps: list[int], most: int) -> list[int]:
    """At most `most` of the steps, evenly spaced, with the first and the last."""
    if len(steps) <= most:
        return steps
    return [steps[round(i * (len(steps) - 1) / (most - 1))] for i in range(most)]


# ---- where the routing comes from


def _probe_near(run: Run, step: int) -> RoutingTrace | None:
    """The probe trace of the nearest step that has one."""
    probed = run.probe_steps()
    if not probed:
        return None
    return runs.probe(run, min(probed, key=lambda each: abs(each - step)))


def _routed(
    run: Run,
    step: int,
    pair: Pair,
    probe: RoutingTrace | None,
    shown: UInt8[np.ndarray, "n s s 3"] | None,
) -> Routed | None:
    """The pair's routing; None, with a message on the page, if there is none."""
    if not pair.with_picture and not pair.text.strip():
        messages.say("info", "There is nothing to route: type a text or upload a picture.")
        return None
    if pair.with_picture and not pair.text.strip():
        messages.say("info", "The text is empty: the picture is routed alone.")
    together = pair.is_example and step in run.probe_steps()
    way = _choose_way(together, probe)
    if way == _TOGETHER and probe is not None and pair.example is not None:
        return _recorded(run, step, probe, pair.example, shown)
    try:
        return _computed(run, step, pair, shown, training=way == _TRAINING)
    except RunError as error:
        messages.say("error", f"This pair cannot be routed by the model: {error}")
    if probe is None or pair.example is None or step not in run.probe_steps():
        return None
    messages.say("info", "Shown instead: the example as recorded during training.")
    return _recorded(run, step, probe, pair.example, shown)


def _choose_way(recorded: bool, probe: RoutingTrace | None) -> str:
    """Draws the choice of the routing group: the probe pairs, or the pair alone."""
    ways = {_ALONE: "alone, unlimited capacity (inference)", _TRAINING: "alone, training capacity"}
    if recorded and probe is not None:
        ways = {_TOGETHER: f"with all {probe.num_pairs} probe pairs", **ways}
    with st.sidebar:
        return controls.choice(
            "routed",
            "Routed",
            list(ways),
            noun="way of routing",
            words=ways,
            say=False,  # a text of one's own cannot be routed with the probe pairs
            help="Tokens compete for capacity with all others of their routing group. Examples "
            "were recorded as one group at training capacity; a pair of your own is routed "
            "alone.\n\n" + help_text("capacity", "dropped"),
        )


def _recorded(
    run: Run,
    step: int,
    probe: RoutingTrace,
    example: int,
    shown: UInt8[np.ndarray, "n s s 3"] | None,
) -> Routed:
    return Routed(
        recorded=record(RoutingTrace.select, recorded.probe(run, step), [example]),
        group=Group.of(probe, run.config.model.capacity_factor, step),
        picture=_blank(probe) if shown is None else pictures.data_address(shown[example]),
        sharp=None,
    )


def _computed(
    run: Run,
    step: int,
    pair: Pair,
    shown: UInt8[np.ndarray, "n s s 3"] | None,
    *,
    training: bool,
) -> Routed:
    """The routing computed by the model.

    Raises:
      RunError: there are no parameters, or no picture.
    """
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


# ---- small things


def _shortened(text: str, longest: int = 120) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _blank(trace: RoutingTrace) -> str:
    """A white picture, for runs that keep none."""
    size = trace.image_size
    return pictures.data_address(np.full((size, size, 3), 255, np.uint8))
