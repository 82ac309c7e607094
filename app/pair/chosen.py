"""The pair to route: an example of the run, an uploaded picture, a typed text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from jaxtyping import UInt8

from app.components.contact_sheet import Sheet, contact_sheet
from app.components.gallery import Item, gallery
from app.parts import messages, pictures
from app.server import runs
from app.shell import controls, state
from limoe_core.trace import TEXT, RoutingTrace

if TYPE_CHECKING:
    from limoe_core.runs.directory import Run

_WELL_KNOWN = re.compile("food|animal", re.IGNORECASE)

_UPLOAD = "pair.upload"  # session: the picture that the reader brought
_REFUSED = "pair.refused"  # session: why the last one could not be read
_UPLOADER = "pair.uploader"  # session: counts up to empty the widget


@dataclass(frozen=True)
class Pair:
    """A picture and a text to route."""

    example: int | None
    """The example that it is, or is made from; None where the run has none."""
    upload: pictures.Upload | None
    with_picture: bool
    text: str
    own_text: bool
    """The text is not the example's."""

    @property
    def is_example(self) -> bool:
        """Whether this is an unchanged example, whose routing was recorded in training."""
        return (
            self.example is not None
            and self.upload is None
            and self.with_picture
            and not self.own_text
        )


def choose_example(
    run: Run,
    probe: RoutingTrace | None,
    shown: UInt8[np.ndarray, "n s s 3"] | None,
    pairs: list[int] | None = None,
) -> int | None:
    """Draws the gallery of the run's probe pairs and returns the chosen index.

    Args:
      pairs: those to choose from, at least one; None for all.
    """
    if probe is None or not probe.num_pairs:
        return None
    indices = range(probe.num_pairs) if pairs is None else pairs
    parse = state.among(range(probe.num_pairs), "example")
    first = first_example(probe)
    chosen = state.get("example", parse, first if first in indices else indices[0], pinned=True)

    def pick(item: str) -> None:
        state.put("example", item)
        state.put("text", None)
        state.put("picture", None)
        _forget_upload()

    gallery(
        [_item(probe, i) for i in indices],
        None
        if shown is None or len(shown) != probe.num_pairs
        else _sheet(str(run.path), shown[list(indices)]),
        label="Examples",
        selected=str(chosen),
        filters={
            name: label
            for name, label in (("category", "category"), ("language", "language"))
            if name in probe.meta
        },
        on_pick=pick,
        key="pair.gallery",
    )
    return chosen


def choose_parts(example: int | None, caption: str, size: int) -> Pair:
    """Draws the fields for the reader's own text and picture."""
    with st.container(key="pair-parts", horizontal=True, vertical_alignment="center"):
        text = _type_text(caption)
        if example is not None and text != caption:
            st.button(
                "Example's text",
                icon=":material/undo:",
                help="Back to the caption of the example",
                on_click=lambda: state.put("text", None),
            )
        with_picture = _bring_picture(size, example is not None)
    if refused := st.session_state.get(_REFUSED):
        messages.say("error", refused)
    upload = st.session_state.get(_UPLOAD) if with_picture else None
    return Pair(
        example,
        upload,
        with_picture and (upload is not None or example is not None),
        text,
        text != caption,
    )


def first_example(probe: RoutingTrace) -> int:
    """The example to open with: English, a few pieces long, a familiar thing.

    The first that has all of it, or most of it. Nothing is looked up about its routing.
    """
    pieces = np.bincount(probe.pair[probe.modality == TEXT], minlength=probe.num_pairs)
    none = np.full(probe.num_pairs, "")
    languages, categories = (probe.meta.get(name, none) for name in ("language", "category"))
    merits = [
        (language == "en", 1 <= count <= 5, bool(_WELL_KNOWN.search(str(category))))
        for language, count, category in zip(languages, pieces, categories, strict=True)
    ]
    return max(range(probe.num_pairs), key=lambda i: (merits[i], -i))


def _item(probe: RoutingTrace, i: int) -> Item:
    said = {name: str(values[i]) for name, values in probe.meta.items()}
    known = [said[name] for name in ("category", "language", "style") if said.get(name)]
    name = said.get("name", "")
    caption = str(probe.captions[i])
    if name and name != caption:
        known.insert(0, name)
    return Item(
        id=str(i),
        caption=caption or "(no text)",
        detail=" · ".join(known),
        tags={tag: said[tag] for tag in ("category", "language") if tag in said},
    )


@st.cache_data(max_entries=16, show_spinner=False)
def _sheet(path: str, pictures: np.ndarray) -> Sheet:
    return contact_sheet(pictures, side=64)


def _type_text(caption: str) -> str:
    text = controls.text(
        "text",
        "Text, in any language",
        caption,
        clean=runs.clean,
        label_visibility="collapsed",
        icon=":material/translate:",
        placeholder="Type a text for this picture in any language, then press Enter",
    )
    if len(text) == runs.LONGEST_TEXT:
        messages.say("info", f"Only the first {len(text):,} characters of a text are read.")
    return text


def _bring_picture(size: int, has_example: bool) -> bool:
    """Draws the controls of the picture and returns whether the pair has one."""
    kept = not _leave_out(shown=False)
    upload = st.session_state.get(_UPLOAD)
    label = "Picture: none" if not kept else "Picture: yours" if upload else "Your picture"
    with st.popover(label, icon=":material/add_photo_alternate:", width="content"):
        st.file_uploader(
            "Upload a picture",
            key=f"{_UPLOADER}.{st.session_state.get(_UPLOADER, 0)}",
            on_change=_take_upload,
            args=(size,),
            help="PNG, JPEG, WebP, GIF and others, of any shape, padded to a white square. "
            "Kept for this session only, never stored.",
        )
        if upload is not None:
            st.caption(f"In use: {messages.plain(upload.name)}")
            if has_example:
                st.button("Back to the example's picture", on_click=_forget_upload)
        _leave_out(shown=True)
    return kept


def _leave_out(*, shown: bool) -> bool:
    return controls.toggle(
        "picture",
        "Leave the picture out",
        words=("yes", "none"),
        shown=shown,
        help="Route the text alone.",
    )


def _take_upload(size: int) -> None:
    """Takes in a new file if it can be read; otherwise everything stays as it was."""
    widget = f"{_UPLOADER}.{st.session_state.get(_UPLOADER, 0)}"
    file = st.session_state.get(widget)
    if file is None:  # taken off, or the first half of an exchange: the widget must stay
        st.session_state.pop(_UPLOAD, None)
        st.session_state.pop(_REFUSED, None)
        return
    from limoe_core.data.preprocess import PictureError

    upload = pictures.Upload(file.name, file.getvalue())
    try:
        pictures.prepare(upload, size)
    except PictureError as error:
        kept = "" if st.session_state.get(_UPLOAD) is None else " Your earlier picture is kept."
        st.session_state[_REFUSED] = f"{messages.visible(upload.name, 100)}: {error}{kept}"
        return
    st.session_state[_UPLOAD] = upload
    st.session_state.pop(_REFUSED, None)
    state.put("picture", None)


def _forget_upload() -> None:
    st.session_state.pop(_UPLOAD, None)
    st.session_state.pop(_REFUSED, None)
    st.session_state[_UPLOADER] = st.session_state.get(_UPLOADER, 0) + 1
