"""The Embeddings page: pictures, texts and tokens on one map."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from analysis.points import Points
from analysis.recipes import Recorded
from analysis.slices import slice_points
from app.components.scatter import Cloud, Packed, packed, scatter
from app.components.scatter.payload import corners
from app.parts import figures, messages, tables
from app.parts.export import file_name, take_away
from app.parts.fragments import alone
from app.parts.glossary import TERMS
from app.shell import sidebar, slices, state
from app.views.embeddings import fitted as maps
from app.views.embeddings import gap, near, own
from app.views.embeddings.source import PROBES, TOKENS, Source, choose
from limoe_core.runs.directory import Run

if TYPE_CHECKING:
    import pandas as pd


#: Rows of the table.
_MOST_ROWS = 5_000


@dataclass(frozen=True, eq=False)
class _View:
    """What is on the page."""

    source: Source
    step: int
    fitted: maps.Fitted
    points: Recorded[Points]
    """With the reader's own behind them."""
    frame: Recorded[Any]
    """Their places on the map."""
    inside: list[int] | None
    """Places of the points of the slice; None for all."""

    @cached_property
    def ids(self) -> list[str]:
        """Names of the points in the address bar."""
        return self.source.ids(self.points.value)

    def file(self, what: str) -> str:
        """Name of a saved file."""
        return f"{what}-{self.source.name}-step{self.step}"


def show(run: Run) -> None:
    """Draws the page."""
    left, right = st.columns([3, 2])
    with left:
        source = choose(run)
    if source is None:
        return
    step = sidebar.choose_step(source.steps)
    figures.choose_format()
    chosen = slices.active()
    with right:
        way = maps.choose_way(source)
    fitted = maps.fit(source, way, step)
    if fitted is None:
        return
    plain = source.points(step)
    _ = plain.value  # here, with its progress, and not while a cache waits for it
    points = own.added(source, step, plain)
    inside = None
    if chosen is None:
        known = plain.value.known
        slices.choose(
            {label: sorted({*known[label]} - {"", -1}) for label in plain.value.labels[1:]}
        )
    else:
        pairs = points.value.known["pair"]
        inside = slices.within(
            chosen,
            lambda: slice_points(points.value, source.conditions(chosen)),
            pairs[pairs >= 0].nunique(),
            count=lambda places: pairs.iloc[places].nunique(),
        )
    view = _View(source, step, fitted, points, maps.placed(fitted, points), inside)
    _map_and_neighbours(view)
    _trust(view, plain)
    if not source.of_tokens:
        gap.show(source, step, plain, source.conditions(chosen) if chosen and inside else {})


def _map_and_neighbours(view: _View) -> None:
    point = state.get("point", state.among(view.ids, "point"), "", say=False)
    wide, narrow = st.columns([3, 1])
    with wide:
        _map(view, point)
    with narrow:
        if point:
            place = view.ids.index(point)
            near.show(view.source, view.step, view.points, view.ids, place)
        else:
            st.caption("Click a point to see what lies nearest to it in the space itself.")


def _map(view: _View, point: str) -> None:
    points, frame, source, fitted = view.points.value, view.frame.value, view.source, view.fitted
    by = state.get("by", state.among(points.labels, "label"), points.labels[0], say=False)
    file = view.file(f"map-{fitted.way}")
    extent = _extent(source, fitted, frame)
    cloud = Cloud(
        frame=frame,
        labels=points.labels,
        ids=view.ids,
        fit=f"{fitted.way} {fitted.step} {source.name} {extent.round(4).tolist()}",
        axes=fitted.axes,
        kinds=source.kinds,
        pictures=source.pictures,
        extent=extent,
        own=np.flatnonzero(frame["pair"].to_numpy() < 0).tolist(),
    )
    scatter(
        _packed((*view.frame.key, cloud.fit), cloud),
        by=by,
        chosen=point,
        selected=view.inside,
        address=state.address(),
        opened=state.links_opened(),
        file=file_name(file),
        on_pick=lambda place: state.put("point", None if place is None else view.ids[place]),
        on_select=lambda places: _circled(view, places),
        key="embeddings.map",
    )
    st.caption(messages.plain(_sentence(source, view.step, fitted, points), 600))
    left, right = st.columns(2)
    with left:
        take_away(view.frame, file=file, what="this map", more="PNG: the button above the map.")
    with right:
        alone(lambda: _table(frame))


def _table(frame: pd.DataFrame) -> None:
    """The map as a table, which is sent when it is opened."""
    box = st.expander("Table", icon=":material/table:", key="embeddings.table", on_change="rerun")
    if not box.open:
        return
    with box:
        tables.show(frame.head(_MOST_ROWS), height=320)
        if len(frame) > _MOST_ROWS:
            st.caption(f"The first {_MOST_ROWS:,} of {len(frame):,} points; the export has all.")


def _circled(view: _View, places: list[int]) -> None:
    rows = view.points.value.known.iloc[places]
    if where := view.source.slice_of(rows[rows["pair"] >= 0]):
        of_probes = view.source.of in (PROBES, TOKENS)
        of = "the probe pairs" if of_probes else f"the split {view.source.of}"
        slices.use(where, f"circled on the map of {of}")


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


def _trust(view: _View, points: Recorded[Points]) -> None:
    frame = maps.trusted(view.fitted, points)
    rows = frame.value.set_index("measure")
    value, chance = rows["value"], rows["chance"]
    row = frame.value.iloc[0]
    some = row["looked_at"] < row["points"]
    looked = f", {int(row['looked_at']):,} of them looked at" if some else ""
    st.header("What the map keeps", anchor=False, help=TERMS["trustworthiness"])
    st.markdown(
        f"Trustworthiness **{value['trustworthiness']:.2f}** (placed at random: "
        f"{chance['trustworthiness']:.2f}), continuity **{value['continuity']:.2f}** "
        f"({chance['continuity']:.2f}). Of the {int(row['neighbours'])} nearest neighbours in the "
        f"space, **{value['neighbours kept']:.0%}** are so on the map "
        f"({chance['neighbours kept']:.1%}). n = {int(row['points']):,} points{looked}."
    )
    take_away(frame, file=view.file(f"agreement-{view.fitted.way}"), what="these measures")
