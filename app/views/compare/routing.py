"""The same pair, routed by both sides."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st
from jaxtyping import UInt8

import analysis
from analysis.recipes import Recorded, record
from app.components.routing import Group, payload, routing_view
from app.pair import routing as pair_routing
from app.pair.chosen import Pair, choose_example, choose_parts
from app.parts import messages, pictures
from app.parts.export import file_name, take_away
from app.server import recorded, runs
from app.shell import sidebar, slices, state
from app.views.compare.sides import Side, Sides
from limoe_core.runs.directory import Run, RunError
from limoe_core.trace import RoutingTrace

Pictures = UInt8[np.ndarray, "n s s 3"]


def show(both: Sides) -> None:
    """Draws the view."""
    one, other = both.one, both.other
    probe, shown = _examples(one)
    example = choose_example(one.run, probe, shown, slices.pairs_of(probe))
    caption = "" if probe is None or example is None else str(probe.captions[example])
    pair = choose_parts(example, caption, one.run.config.model.image_size)
    common = {n: name for n, name in one.run.routers.items() if n in other.run.routers}
    layer = sidebar.choose_layer(common, shown=False) if common else None
    try:
        traces, together = _routed(both, pair, probe, shown)
    except RunError as error:
        messages.say("info", f"This pair cannot be routed by both sides: {error}")
        return
    st.caption(
        "Both as recorded in training, with all probe pairs, at training capacity."
        if together
        else "Each alone, with unlimited capacity, by the parameters nearest to its step."
    )
    for column, name, side, trace, key in zip(
        st.columns(2), both.names, (one, other), traces, ("one", "other"), strict=True
    ):
        with column:
            st.markdown(f"**{messages.plain(name)}**")
            _view(side, trace, pair, shown, name, layer, key, together)
    if not both.same_run:
        st.caption(
            "Experts of two runs are unrelated, even where they share a number and a colour: "
            "compare which tokens go together."
        )
    frames = {
        name: record(analysis.to_frame, trace)
        for name, trace in zip(both.names, traces, strict=True)
    }
    take_away(record(analysis.join_runs, frames), file=f"routing-{both.file}", what="both routings")


def _view(
    side: Side,
    trace: Recorded[RoutingTrace],
    pair: Pair,
    shown: Pictures | None,
    name: str,
    layer: int | None,
    key: str,
    together: bool,
) -> None:
    """Draws one side."""
    model = side.run.config.model
    if together:
        factor = model.capacity_factor
        group = Group.of(runs.probe(side.run, side.step), factor, side.step)
    else:
        factor, stored = model.eval_capacity_factor, side.run.steps()
        step = min(stored, key=lambda each: abs(each - side.step))
        group = Group.of(trace.value, factor, step)
    picture, sharp = _picture(pair, shown, model.image_size)
    blocks = [int(block) for block in trace.value.layers]
    routing_view(
        payload(
            trace.value,
            group,
            title=name,
            file=file_name(f"routing-{side.run.name}-step{group.step}"),
            picture=picture,
            sharp=sharp,
            layer=layer if layer in blocks else blocks[-1],
        ),
        layer=layer if layer in blocks else blocks[-1],
        token=state.get("token", str, ""),
        address=state.address(),
        opened=state.links_opened(),
        on_view=_remember_view,
        key=f"compare.{key}",
    )


def _remember_view(layer: int | None, token: str | None, _: str | None) -> None:
    state.put("layer", layer)
    state.put("token", token)


def _picture(pair: Pair, shown: Pictures | None, size: int) -> tuple[str | None, str | None]:
    """The pair's picture and a sharper one, as data addresses."""
    if pair.with_picture and pair.upload is not None:
        prepared = pictures.prepare(pair.upload, size)
        return pictures.data_address(pictures.to_bytes(prepared.pixels)), prepared.sharp
    if pair.with_picture and pair.example is not None and shown is not None:
        return pictures.data_address(shown[pair.example]), None
    return None, None


def _examples(side: Side) -> tuple[RoutingTrace | None, Pictures | None]:
    """The probe trace nearest to the step, and the pictures of its pairs."""
    probed = side.run.probe_steps()
    if not probed:
        return None, None
    try:
        probe = runs.probe(side.run, min(probed, key=lambda each: abs(each - side.step)))
        shown = runs.probe_pictures(side.run)
    except RunError as error:
        messages.say("error", f"The examples of this run cannot be shown: {error}")
        return None, None
    return probe, None if shown is None or len(shown) != probe.num_pairs else shown


def _routed(
    both: Sides, pair: Pair, probe: RoutingTrace | None, shown: Pictures | None
) -> tuple[list[Recorded[RoutingTrace]], bool]:
    """The pair's routing by both sides, and whether it is as recorded with the probe pairs.

    Raises:
      RunError: a side has no parameters, or there is no picture and no text.
    """
    sides = both.one, both.other
    if pair.is_example and pair.example is not None and all(side.has_trace for side in sides):
        traces = [recorded.probe(side.run, side.step) for side in sides]
        if analysis.same_pairs(traces[0].value, traces[1].value):
            chosen = [record(RoutingTrace.select, trace, [pair.example]) for trace in traces]
            return chosen, True
    if not pair.with_picture and not pair.text.strip():
        raise RunError("there is nothing to route; type a text or upload a picture")
    picture = _recorded_picture(both.one.run, pair, shown)
    routed = []
    for side in sides:
        stored = side.run.steps()
        if not stored:
            raise RunError(f"{side.run.name} holds no parameters")
        nearest = min(stored, key=lambda each: abs(each - side.step))
        factor = side.run.config.model.eval_capacity_factor
        with st.spinner("Routing … (the model is loaded the first time)"):
            trace = pair_routing.route(side.run, nearest, picture, pair.text, factor)
            _ = trace.value
        routed.append(trace)
    return routed, False


def _recorded_picture(run: Run, pair: Pair, shown: Pictures | None) -> Recorded[Any] | None:
    """The pair's picture as both models take it.

    Raises:
      RunError: it is the example's, and the run keeps none.
    """
    if not pair.with_picture:
        return None
    if pair.upload is not None:
        return pictures.recorded(pair.upload)
    if shown is None:
        raise RunError("the run keeps no pictures of its examples; upload one")
    kept = record(Run.probe_pictures, recorded.opened(run)).through(lambda _: shown)
    return kept[pair.example]
