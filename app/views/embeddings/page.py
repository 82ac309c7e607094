"""The Embeddings page: pictures, texts and tokens on one map."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import streamlit as st

from analysis.points import Points
from analysis.recipes import Recorded
from app.components.scatter import Cloud, Packed, packed, scatter
from app.components.scatter.payload import corners
from app.parts import figures, messages
from app.parts.export import file_name, take_away
from app.parts.glossary import TERMS
from app.shell import sidebar, state
from app.views.embeddings import fitted as maps
from app.views.embeddings import gap, near, own
from app.views.embeddings.source import Source, choose
from limoe_core.runs.directory import Run


def show(run: Run) -> None:
    """Draws the page."""
    source = choose(run)
    if source is None:
        return
    step = sidebar.choose_step(source.steps)
    figures.choose_format()
    way = maps.choose_way(source)
    fitted = maps.fit(source, way, step)
    if fitted is None:
        return
    plain = source.points(step)
    points = own.added(source, step, plain)
    frame = maps.placed(fitted, points)
    ids = source.ids(points.value)
    chosen = state.get("point", state.among(ids, "point"), "", say=False) if ids else ""
    wide, narrow = st.columns([3, 1])
    with wide:
        _map(source, step, fitted, points, frame, ids, chosen)
    with narrow:
        if chosen:
            near.show(source, step, points, ids, ids.index(chosen))
        else:
            st.caption("Click a point to see what lies nearest to it in the space itself.")
    _trust(source, step, fitted, plain)
    if not source.of_tokens:
        gap.show(source, step, plain)


def _map(
    source: Source,
    step: int,
    fitted: maps.Fitted,
    points: Recorded[Points],
    frame: Recorded[Any],
    ids: list[str],
    chosen: str,
) -> None:
    labels = points.value.labels
    by = state.get("by", state.among(labels, "label"), labels[0], say=False)
    file = f"map-{fitted.way}-{source.name}-step{step}"
    extent = _extent(source, fitted, frame.value)
    cloud = Cloud(
        frame=frame.value,
        labels=labels,
        ids=ids,
        fit=f"{fitted.way} {fitted.step} {source.name} {extent.round(4).tolist()}",
        axes=fitted.axes,
        kinds=source.kinds,
        pictures=source.pictures,
        extent=extent,
        own=np.flatnonzero(frame.value["pair"].to_numpy() < 0).tolist(),
    )
    scatter(
        _packed(frame.key, cloud),
        by=by,
        chosen=chosen,
        selected=None,
        address=state.address(),
        opened=state.links_opened(),
        file=file_name(file),
        on_pick=lambda place: state.put("point", None if place is None else ids[place]),
        on_select=lambda places: None,
        key="embeddings.map",
    )
    st.caption(messages.plain(_sentence(source, step, fitted, points.value), 600))
    left, right = st.columns(2)
    with left:
        take_away(frame, file=file, what="this map", more="PNG: the button above the map.")
    with right, st.expander("Table", icon=":material/table:"):
        st.dataframe(frame.value, height=320)


@st.cache_resource(max_entries=32, show_spinner=False)
def _packed(key: tuple[Hashable, ...], _cloud: Cloud) -> Packed:
    return packed(_cloud)


def _extent(source: Source, fitted: maps.Fitted, frame: Any) -> np.ndarray:
    """Of the map as it was fitted, so that a step does not move it, and of all that is shown."""
    shown = frame[["x", "y"]].to_numpy(np.float64)
    if fitted.way == "texts":
        return corners(shown)
    basis = fitted.map.value.place(source.points(fitted.step).value.vectors)
    whole = corners(basis)
    inside = (shown >= whole[0]).all() and (shown <= whole[1]).all()
    return whole if inside else corners(np.concatenate([basis, shown]))


def _sentence(source: Source, step: int, fitted: maps.Fitted, points: Points) -> str:
    texts = int((points.known["modality"] == "text").sum())
    images = len(points.known) - texts
    what = " and ".join(
        messages.counted(count, *kind)
        for count, kind in zip((images, texts), source.kinds, strict=True)
    )
    layer = f" as the router of block {source.layer} sees them" if source.of_tokens else ""
    placed = f" Step {step:,} is placed on it." if fitted.step != step else ""
    experts = (
        "Experts: a token's first choice."
        if source.of_tokens
        else "Experts: the first choice of most of its tokens."
    )
    return f"{what}{layer}, step {step:,}. {fitted.sentence}{placed} {experts}"


def _trust(source: Source, step: int, fitted: maps.Fitted, points: Recorded[Points]) -> None:
    frame = maps.trusted(fitted, points)
    rows = frame.value.set_index("measure")
    value, chance = rows["value"], rows["chance"]
    row = frame.value.iloc[0]
    looked = (
        f", {int(row['looked_at']):,} of them looked at" if row["looked_at"] < row["points"] else ""
    )
    st.header("What the map keeps", anchor=False, help=TERMS["trustworthiness"])
    st.markdown(
        f"Trustworthiness **{value['trustworthiness']:.2f}** (placed at random: "
        f"{chance['trustworthiness']:.2f}), continuity **{value['continuity']:.2f}** "
        f"({chance['continuity']:.2f}). Of the {int(row['neighbours'])} nearest neighbours in the "
        f"space, **{value['neighbours kept']:.0%}** are so on the map "
        f"({chance['neighbours kept']:.1%}). n = {int(row['points']):,} points{looked}."
    )
    take_away(frame, file=f"agreement-{fitted.way}-{source.name}-step{step}", what="these measures")
