"""The pictures that the reader has selected or uploaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from jaxtyping import UInt8

from analysis.recipes import Recorded
from app.components.contact_sheet import Sheet, contact_sheet
from app.components.gallery import Item, gallery
from app.parts import messages, pictures, splits
from app.shell import state
from app.views.zero_shot.pool import Pool, first_ones, some_of_all, valid_id

#: Pictures in the gallery, and the most that are classified together.
SHOWN, MOST = 160, 8
_UPLOADS = "zero_shot.uploads"  # session: Upload by name
_REFUSED = "zero_shot.refused"  # session: sentences about files that could not be read
_UPLOADER = "zero_shot.uploader"  # session: counts up to empty the widget
_LISTED = "zero_shot.listed"  # session: digest of each file that the widget lists, by its id


@dataclass(frozen=True, eq=False)
class Chosen:
    """A selected picture."""

    name: str
    """Name on the page."""
    truth: str
    """Concept name in the data set's first language; "" if unknown."""
    about: str
    """Style and split, or that it was uploaded."""
    shown: UInt8[np.ndarray, "h w 3"]
    recorded: Recorded[Any]
    """The picture itself, of any size."""


def of_pool(pool: Pool, index: int) -> Chosen:
    """A picture of the pool."""
    about = [
        part
        for part in (pool.styles[index], splits.in_words(pool.splits[index], pool.split_words))
        if part
    ]
    return Chosen(
        name=pool.names[index],
        truth=pool.names[index],
        about=" · ".join(about),
        shown=pool.pictures[index],
        recorded=pool.source.attribute("pictures")[index],
    )


def of_upload(upload: pictures.Upload, size: int) -> Chosen:
    """A picture that the reader uploaded."""
    prepared = pictures.prepare(upload, size)
    notes = " ".join(prepared.notes)
    return Chosen(
        name=upload.name,
        truth="",
        about="your picture" + (f". {notes}" if notes else ""),
        shown=pictures.to_bytes(prepared.pixels),
        recorded=pictures.recorded(upload),
    )


def default_picks(pool: Pool, count: int) -> list[str]:
    """Names of the pictures shown before the reader selects any."""
    return [pool.ids[index] for index in first_ones(pool, count)]


def picked(pool: Pool, name: str, default: Sequence[str]) -> list[str]:
    """Names of the pool's pictures chosen under `name`, by address bar or click."""

    def parse(text: str) -> tuple[str, ...]:
        ids = [part for part in text.split(",") if part]
        wrong = [part for part in ids if not valid_id(part)]
        if wrong:
            raise state.BadValue(
                f"picture {wrong[0]!r} is no picture's name; one is like 1F34E.openmoji"
            )
        absent = [part for part in ids if part not in pool.place]
        if absent:
            raise state.BadValue(f"picture {absent[0]!r} is not among the {pool.title}")
        return tuple(dict.fromkeys(ids))[:MOST]

    found = state.get(name, lambda text: ",".join(parse(text)), ",".join(default))
    return [part for part in found.split(",") if part]


def show_gallery(
    pool: Pool, *, label: str, selected: str | None, key: str, name: str, most: int
) -> None:
    """Draws a strip of pictures; a click adds to those under `name`, or replaces the one."""
    shown = _in_gallery(pool.title, len(pool), pool)

    def pick(item: str) -> None:
        before = [each for each in st.session_state.get(f"{key}.now", []) if each != item]
        state.put(name, ",".join([item, *before][:most]))

    gallery(
        [
            Item(
                id=pool.ids[i],
                caption=pool.names[i],
                detail=" · ".join(
                    part for part in (pool.categories[i], pool.styles[i], pool.splits[i]) if part
                ),
                tags={"category": pool.categories[i], "style": pool.styles[i]},
            )
            for i in shown
        ],
        _sheet(pool.title, len(pool), pool),
        label=label,
        selected=selected,
        filters={"category": "category", "style": "style"},
        on_pick=pick,
        key=key,
        noun="pictures",
    )


@st.cache_data(max_entries=16, show_spinner=False)
def _in_gallery(title: str, count: int, _pool: Pool) -> list[int]:
    return some_of_all(_pool, SHOWN)


@st.cache_resource(max_entries=16, show_spinner=False)
def _sheet(title: str, count: int, _pool: Pool) -> Sheet:
    return contact_sheet(_pool.pictures[_in_gallery(title, count, _pool)], side=64)


def remember_shown(key: str, ids: Sequence[str]) -> None:
    """Remembers the pictures shown, for clicks in the gallery to add to."""
    st.session_state[f"{key}.now"] = list(ids)


# ---- pictures of the reader's own


def uploads() -> list[pictures.Upload]:
    """Pictures that the reader uploaded in this session, newest first."""
    return list(st.session_state.get(_UPLOADS, {}).values())


def bring_pictures(size: int, *, most: int) -> None:
    """Draws the field for uploading pictures."""
    widget = f"{_UPLOADER}.{st.session_state.get(_UPLOADER, 0)}"

    if not st.session_state.get(widget):  # a new widget: what it never listed stays
        st.session_state[_LISTED] = {}

    with st.popover("Your pictures", icon=":material/add_photo_alternate:", width="stretch"):
        st.file_uploader(
            "Upload pictures",
            accept_multiple_files=True,
            key=widget,
            on_change=_take,
            args=(widget, size, most),
            help="PNG, JPEG, WebP, GIF and others, of any shape, padded to a white square. Up to "
            f"{most} are kept, for this session only.",
        )
        if uploads():
            st.button("Remove your pictures", on_click=forget_uploads, key="zero_shot.forget")
    for sentence in st.session_state.get(_REFUSED, []):
        messages.say("error", sentence)


def _take(widget: str, size: int, most: int) -> None:
    """Takes in the widget's new files and drops those removed from it."""
    from limoe_core.data.preprocess import PictureError

    files = st.session_state.get(widget) or []
    kept: dict[str, pictures.Upload] = st.session_state.setdefault(_UPLOADS, {})
    listed: dict[str, str] = st.session_state.setdefault(_LISTED, {})
    for gone in listed.keys() - {file.file_id for file in files}:
        kept.pop(listed.pop(gone), None)
    refused = []
    for file in files:
        if file.file_id in listed:
            continue
        upload = pictures.Upload(file.name, file.getvalue())
        listed[file.file_id] = upload.digest
        try:
            pictures.prepare(upload, size)
        except PictureError as error:
            refused.append(f"{messages.visible(upload.name, 100)}: {error}")
            continue
        kept.pop(upload.digest, None)
        newest = {upload.digest: upload, **kept}
        kept.clear()
        kept.update(dict(list(newest.items())[:most]))
    st.session_state[_REFUSED] = refused


def forget_uploads() -> None:
    """Removes the uploaded pictures and the messages about them."""
    for key in (_UPLOADS, _REFUSED, _LISTED):
        st.session_state.pop(key, None)
    st.session_state[_UPLOADER] = st.session_state.get(_UPLOADER, 0) + 1
