"""The Routing page: the route of each token of one pair."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import pandas as pd
import streamlit as st

import analysis
from analysis.recipes import record
from app.components.routing import payload, routing_view
from app.components.training import training_strip
from app.pair import pins
from app.pair import routing as pair_routing
from app.pair.chosen import Pair, choose_example, choose_parts
from app.parts import facts, messages
from app.parts.export import file_name, take_away
from app.parts.facts import Fact
from app.parts.glossary import TERMS, help_text
from app.server import runs
from app.shell import sidebar, state
from app.views.routing.routed import Examples, Routed, choose_way, route, similarity
from limoe_core.runs.directory import Run, RunError
from limoe_core.trace import TEXT, RoutingTrace

#: Maximum number of steps in the strip over training.
_STAGES = 24

_WORDS = (
    "token", "piece", "router", "gate", "expert", "capacity", "dropped", "entropy", "layer",
    "similarity", "rank",
)  # fmt: skip


def show(run: Run) -> None:
    """Draws the page."""
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
    blocks = [block + 1 for block in model.moe_layers]
    layer = sidebar.choose_layer(blocks, shown=False)
    examples = Examples.of(run, step)
    example = choose_example(run, examples.trace, examples.pictures)
    pair = choose_parts(example, examples.caption(example), model.image_size)
    pinned = pins.pinned(examples.trace)
    way = choose_way(examples, pair)
    view = _View(layer=layer, token=state.get("token", _token, ""))
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
        _through_training(run, pair, layer, step)
    with st.expander("What the words mean", icon=":material/help:"):
        st.markdown(help_text(*_WORDS))
    take_away(
        record(analysis.to_frame, routed.recorded),
        file=f"routing-{run.name}-step{routed.group.step}",
        what="this routing",
        more="SVG and PNG: the buttons above the figure.",
    )
    pair_routing.warm_up(run)


@dataclass(frozen=True)
class _View:
    """How a pair is looked at."""

    layer: int
    token: str
    pinned: bool = False
    """It stands beside the pair in view, and follows its layer."""


def _draw(examples: Examples, pair: Pair, way: str, view: _View) -> Routed | None:
    """Draws one pair: its routing, and how near its picture and text lie."""
    run = examples.run
    routed = route(examples, pair, way)
    if routed is None:
        return None
    routing_view(
        payload(
            routed.trace,
            routed.group,
            title=f"{run.name}, step {routed.group.step:,}",
            file=file_name(f"routing-{run.name}-step{routed.group.step}"),
            picture=routed.picture,
            sharp=routed.sharp,
            note=_note_on_text(routed.trace),
            name=_name_of_picture(pair, examples.trace),
        ),
        layer=view.layer,
        token="" if view.pinned else view.token,
        address=state.address(),
        opened=state.links_opened(),
        on_view=_remember_view,
        pinned=view.pinned,
        key="routing.pinned" if view.pinned else "routing",
    )
    _similarity(examples, pair, routed, view)
    return routed


def _similarity(examples: Examples, pair: Pair, routed: Routed, view: _View) -> None:
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


def _remember_view(layer: int | None, token: str | None) -> None:
    state.put("layer", layer)
    state.put("token", token)


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


def _note_on_text(trace: RoutingTrace) -> str:
    """A sentence about byte pieces, if there are any."""
    pieces = [str(piece) for piece in trace.piece[trace.modality == TEXT]]
    count = sum(piece.startswith("<0x") and piece.endswith(">") for piece in pieces)
    if not count:
        return ""
    return (
        f"{messages.counted(count, 'piece')} of this text stand for one byte each: characters "
        "that the vocabulary lacks fall back to their UTF-8 bytes."
    )


def _token(text: str) -> str:
    if text and not re.fullmatch(r"[it][0-9]{1,5}", text, re.ASCII):
        raise state.BadValue(
            f"token {text!r} is unknown; i12 is the patch 12, t3 the piece 3 of the text"
        )
    return text
