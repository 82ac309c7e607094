"""The Routing page: the route of each token of one pair."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import streamlit as st

from app.components.routing import MOST_CHOICES
from app.components.training import training_strip
from app.pair import pins
from app.pair import routing as pair_routing
from app.pair.chosen import Pair, choose_example, choose_parts
from app.parts import facts, messages
from app.parts.export import take_away
from app.parts.facts import Fact
from app.parts.glossary import TERMS
from app.server import runs
from app.shell import live, sidebar, slices, state
from app.views.routing import recorded_pairs
from app.views.routing.drawing import View, draw, explain, explain_drops
from app.views.routing.routed import Examples, Routed, choose_way, route, similarity
from limoe_core.runs.directory import Run, RunError
from limoe_core.trace import RoutingTrace

#: Maximum number of steps in the strip over training.
_STAGES = 24
#: The same of a pair that is sent layer by layer.
_STAGES_OF_LARGE = 10


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
            f"{run.name} has neither a probe trace nor a checkpoint yet. " + live.BY_ITSELF,
        )
        return
    step = sidebar.choose_step(steps)
    layer = sidebar.choose_layer(run.routers, shown=False)
    examples = Examples.of(run, step)
    pairs = slices.pairs_of(examples.trace)
    example = choose_example(run, examples.trace, examples.pictures, pairs)
    pair = choose_parts(example, examples.caption(example), model.image_size)
    pinned = pins.pinned(examples.trace)
    way = choose_way(examples, pair)
    view = View.of(layer)
    if pinned is None:
        routed = _draw(examples, pair, way, view)
    else:
        left, right = st.columns(2, gap="medium")
        with left:
            pins.draw_head("In view", pair)
            routed = _draw(examples, pair, way, view)
        with right:
            pins.draw_head("Pinned", pinned)
            _draw(examples, pinned, way, replace(view, pinned=True))
    if routed is None:
        return
    pins.offer(pair, pinned)
    if pair.is_example:
        _through_training(run, pair, routed, layer, step)
    explain(run, routed)
    pair_routing.warm_up(run)


def _draw(examples: Examples, pair: Pair, way: str, view: View) -> Routed | None:
    """Draws one pair: its routing, and how near its picture and text lie."""
    run = examples.run
    routed = route(examples, pair, way)
    if routed is None:
        return None
    draw(run, routed, view, name=_name_of_picture(pair, examples.trace))
    explain_drops(run, routed)
    _similarity(examples, pair, routed, view)
    return routed


def _similarity(examples: Examples, pair: Pair, routed: Routed, view: View) -> None:
    measured = similarity(examples, pair, routed)
    found = measured.value.iloc[0]
    if pd.isna(found["similarity"]):
        return

    def rank(what: str) -> str:
        return f"{found[f'{what}_rank']:,} of {found[f'{what}s']:,}"

    shown = [
        Fact(
            "Similarity of picture and text",
            f"{found['similarity']:.3f}",
            "cosine",
            help_text=TERMS["similarity"],
        )
    ]
    if pd.notna(found["text_rank"]):
        shown += [
            Fact("Rank of the text", rank("text"), "texts", help_text=TERMS["rank"]),
            Fact("Rank of the picture", rank("picture"), "pictures", help_text=TERMS["rank"]),
        ]
    facts.show(shown)
    take_away(
        measured,
        file=f"similarity-{'pinned-' if view.pinned else ''}{examples.run.name}"
        f"-step{routed.group.step}",
        what="the similarity",
    )


def _through_training(run: Run, pair: Pair, routed: Routed, layer: int, step: int) -> None:
    """Draws the example at the run's probe steps, side by side."""
    steps = run.probe_steps()
    if pair.example is None or len(steps) < 2:
        return
    large = routed.trace.expert.size > MOST_CHOICES
    steps = _spread(steps, _STAGES_OF_LARGE if large else _STAGES)
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


# ---- small things


def _name_of_picture(pair: Pair, probe: RoutingTrace | None) -> str:
    """The file or the concept that the picture shows, and its style; "" without a picture."""
    if not pair.with_picture:
        return ""
    if pair.upload is not None:
        return pair.upload.name
    if probe is None or pair.example is None:
        return ""
    known = [str(probe.meta[key][pair.example]) for key in ("name", "style") if key in probe.meta]
    return ", ".join(part for part in known if part) or f"example {pair.example}"
