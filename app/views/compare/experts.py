"""Experts of both sides: specialisation, entropies and drops by layer, and token shares."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

import analysis
from analysis import figures as drawn
from analysis.recipes import Recorded, record, rows
from app.parts import figures, messages
from app.parts.glossary import TERMS, help_text
from app.server import recorded
from app.shell import sidebar
from app.views.compare import slicing
from app.views.compare.sides import Side, Sides
from app.views.compare.telling import summary
from limoe_core.runs.directory import RunError
from limoe_core.trace import RoutingTrace


def show(both: Sides) -> None:
    """Draws the view."""
    traces = [_trace(side) for side in (both.one, both.other)]
    if traces[0] is None or traces[1] is None:
        return
    one, other = slicing.traces(traces[0], traces[1])
    first, second = both.names
    common = [int(block) for block in one.value.layers if block in other.value.layers]
    if not common:
        messages.say("info", "The two have no block with experts in common.")
        return
    names = both.one.run.routers
    layer = sidebar.choose_layer({number: names[number] for number in common})
    differences = recorded.measured(analysis.routing_differences, one, other)
    paired = bool(differences.value["paired"].all())
    st.header(
        "Difference in routing", anchor=False, help=help_text("paired difference", "many looks")
    )
    st.markdown(summary(differences.value, first, second))
    columns = st.columns(3)
    for column, measure in zip(
        columns, ("modality NMI", "token entropy", "drop rate"), strict=True
    ):
        with column:
            st.markdown(f"**{measure[:1].upper()}{measure[1:]}**")
            chosen = rows(differences, f"measure == {measure!r}")
            figures.show(
                record(drawn.differences_figure, chosen, first, second, ["layer", "modality"]),
                chosen,
                file=f"{measure.replace(' ', '-')}-differences-{both.file}",
                note=_UNITS[measure],
            )
    st.caption(
        f"n = {one.value.num_pairs:,} and {other.value.num_pairs:,} validation pairs"
        + (" in the slice, " if one is not traces[0] else ", ")
        + ("the same ones: paired. " if paired else "not the same ones: unpaired. ")
        + "95 % intervals: jackknife over pairs. Full mark: p below 0.05 after Holm's correction "
        f"for all {len(differences.value):,} rows; hollow: not."
    )
    _shares(both, (one, other), layer)


_UNITS = {
    "modality NMI": "From 0 to 1, less the bias of few pairs.",
    "token entropy": "Mean entropy of a token's gate distribution, in nats.",
    "drop rate": "Share of choices without a place, at training capacity.",
}


def _shares(
    both: Sides, traces: tuple[Recorded[RoutingTrace], Recorded[RoutingTrace]], layer: int
) -> None:
    st.header(f"Token share per expert, block {layer}", anchor=False, help=TERMS["modality share"])
    of_layer = [
        rows(recorded.measured(analysis.roles, trace), f"layer == {layer}") for trace in traces
    ]
    largest = max(float(each.value[["image_share", "text_share"]].max().max()) for each in of_layer)
    reach = round(1.08 * max(largest, 0.05), 4)
    for column, name, side, shares in zip(
        st.columns(2), both.names, (both.one, both.other), of_layer, strict=True
    ):
        with column:
            st.markdown(f"**{messages.plain(name)}**")
            figures.show(
                record(
                    go.Figure.update_yaxes,
                    record(drawn.shares_figure, shares),
                    range=[-reach, reach],
                ),
                shares,
                file=f"shares-{side.run.name}-step{side.step}-block{layer}",
                note="Share of all image tokens (up) and of all text tokens (down, hatched) that "
                "goes to the expert; both figures have one scale."
                + ("" if both.same_run else " Experts of two runs are unrelated."),
            )


def _trace(side: Side) -> Recorded[RoutingTrace] | None:
    """The probe trace of a side's step, or of the nearest one that has one, which is said."""
    probed = side.run.probe_steps()
    if not probed:
        messages.say("info", f"{side.run.name} has no probe trace yet.")
        return None
    nearest = min(probed, key=lambda each: abs(each - side.step))
    if nearest != side.step:
        messages.say(
            "info",
            f"{side.run.name} has no probe trace at step {side.step:,}; shown is step {nearest:,}.",
        )
    try:
        return recorded.probe(side.run, nearest)
    except RunError as error:
        messages.say("error", f"The probe trace of {side.run.name} cannot be used: {error}")
        return None
