"""The nearest neighbours of the chosen point, across modalities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from jaxtyping import UInt8

import analysis
from analysis.points import Points
from analysis.recipes import Recorded
from app.components.tiles import Tile, tiles
from app.parts import messages, tables
from app.parts.export import take_away
from app.server import recorded
from app.shell import state
from app.views.embeddings.source import Source

if TYPE_CHECKING:
    import pandas as pd

_COUNT = 8


def show(source: Source, step: int, points: Recorded[Points], ids: list[str], place: int) -> None:
    """Draws what lies nearest to a point in the space itself, and not on the map."""
    frame = recorded.measured(analysis.nearest_points, points, place, _COUNT)
    known = points.value.known.iloc[place]
    name = messages.plain(known["label"], 80)
    st.header("Nearest in the space", anchor=False)
    st.markdown(f"of **{name}** ({messages.plain(_about(known))})")
    found = frame.value
    partner = found[found["same_pair"] & (found["modality"] != known["modality"])]
    if len(partner) == 1 and not source.of_tokens:
        row = partner.iloc[0]
        other = "text" if row["modality"] == "text" else "picture"
        st.markdown(
            f"Its own {other} is number **{int(row['rank']):,}** of {int(row['of']):,}, with a "
            f"cosine similarity of {row['similarity']:.3f}."
        )
    images = found[(found["modality"] == "image") & (found["rank"] <= _COUNT)]
    texts = found[(found["modality"] == "text") & (found["rank"] <= _COUNT)]
    pictures = source.pictures
    if not source.of_tokens and pictures is not None and (images["pair"] >= 0).all():
        _tiles(images, pictures, ids)
    else:
        _table(images, "Nearest patches" if source.of_tokens else "Nearest pictures")
    _table(texts, "Nearest pieces of text" if source.of_tokens else "Nearest texts")
    take_away(frame, file=f"near-{ids[place]}-{source.name}-step{step}", what="these neighbours")


def _about(known: pd.Series) -> str:
    parts = [known[name] for name in ("category", "style", "language") if name in known]
    return " · ".join(str(part) for part in parts if part) or str(known["modality"])


def _tiles(
    images: pd.DataFrame, pictures: UInt8[np.ndarray, "p side side 3"], ids: list[str]
) -> None:
    tiles(
        [
            Tile(
                id=ids[at],
                caption=str(row["label"]),
                detail=f"{row['similarity']:.3f}",
                hint=_about(row),
                marked=bool(row["same_pair"]),
            )
            for at, (_, row) in zip(images.index.tolist(), images.iterrows(), strict=True)
        ],
        pictures[images["pair"].to_numpy()],
        label="Nearest pictures, nearest first",
        key="embeddings.near",
        action="show its neighbours",
        on_pick=lambda chosen: state.put("point", chosen),
        width=72,
    )


def _table(rows: pd.DataFrame, title: str) -> None:
    st.caption(title)
    columns = ["rank", "label", "similarity"]
    columns += [name for name in ("language", "category") if name in rows]
    tables.show(
        rows[columns],
        hide_index=True,
        height=200,
        column_config={
            "rank": st.column_config.NumberColumn("#", width=40),
            "label": st.column_config.TextColumn("text" if "texts" in title else "point"),
            "similarity": st.column_config.NumberColumn("cosine", format="%.3f", width=70),
        },
    )
