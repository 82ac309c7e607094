"""Search pictures by text, and texts by picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from analysis import figures as drawn
from analysis.classification import nearest_frame
from analysis.picture_sets import PictureSet
from analysis.recipes import Recorded, record
from app.components.tiles import Tile, tiles
from app.parts import figures, messages, splits, texts
from app.parts.export import take_away
from app.parts.glossary import TERMS
from app.parts.pictures import draw_picture
from app.server import runs
from app.shell import controls, state
from app.views.zero_shot import embeddings, pool, selection
from app.views.zero_shot.labels import LONGEST, cut_note
from app.views.zero_shot.pool import Pool
from app.views.zero_shot.selection import Chosen
from limoe_core.runs.directory import Run

if TYPE_CHECKING:
    import pandas as pd

_FOUND, _TEXTS = 24, 15
_KEY = "zero_shot.search_gallery"
_EVERY = "all"


def show(run: Run, step: int) -> None:
    """Draws the view."""
    pictures = pool.of_run(run)
    pool.say_whose(run)
    ways = {"pictures": "pictures by text", "texts": "texts by picture"}
    way = controls.choice(
        "find",
        "Find",
        list(ways),
        noun="kind of search",
        words=ways,
        look="buttons",
        help=TERMS["zero-shot"],
    )
    if way == "pictures":
        _pictures_by_text(run, step, pictures)
    else:
        _texts_by_picture(run, step, pictures)


# ---- pictures by text


def _pictures_by_text(run: Run, step: int, pictures: Pool) -> None:
    default = pictures.names[pictures.place[selection.default_picks(pictures, 1)[0]]]
    text = controls.text(
        "q",
        "Text, in any language",
        default,
        clean=lambda text: text.replace("\0", "")[:LONGEST],
        placeholder="Type what to search for, then press Enter",
    )
    if not text.strip():
        messages.say("info", "Type a text to search for.")
        return
    cut = cut_note(embeddings.cut_texts(run, step, [text]), run.config.model.text_length)
    if cut:
        messages.say("warning", cut)
    texts.say_what_was_changed(runs.load_model(run, step).tokenizer, [text])
    query = embeddings.of_texts(run, step, [text])[0]
    if not np.any(query.value):
        messages.say("info", "The model cannot read any of this text; try another.")
        return
    embedded = embeddings.of_pool(run, step, pictures)
    frame = record(nearest_frame, query, embedded, pictures.source.attribute("known"), _FOUND)
    best = frame.value.index.to_numpy()
    st.caption(
        messages.plain(
            f"The nearest {len(best)} of {len(pictures):,} {pictures.title}, by cosine similarity. "
            f"Step {step:,}. Click a picture to classify it.",
            400,
        )
    )
    tiles(
        [
            Tile(
                id=pictures.ids[i],
                caption=pictures.names[i],
                detail=f"{value:.3f}",
                hint=f"{pictures.categories[i]} · {pictures.styles[i]} · "
                f"{splits.in_words(pictures.splits[i], pictures.split_words)}",
            )
            for i, value in zip(best, frame.value["similarity"], strict=True)
        ],
        pictures.pictures[best],
        label="Pictures found, nearest first",
        key="zero_shot.found",
        action="classify it",
        on_pick=_classify,
    )
    take_away(frame, file=f"search-{run.name}-step{step}", what="the pictures found")


def _classify(picture: str) -> None:
    state.put("pictures", picture)
    state.put("show", "classify")


# ---- texts by picture


def _texts_by_picture(run: Run, step: int, pictures: Pool) -> None:
    picture = _choose_picture(run, pictures)
    names, what = _candidates(pictures)
    if picture is None:
        messages.say("info", "Select a picture above, or upload your own.")
        return
    query = embeddings.of_pictures(run, step, [picture.recorded])[0]
    embedded = embeddings.of_texts(run, step, names["text"], what)
    frame = record(nearest_frame, query, embedded, names, _TEXTS)
    left, right = st.columns([1, 3])
    with left:
        draw_picture(picture.shown, picture.name, width=128)
        st.markdown(f"**{messages.plain(picture.name, 120)}**")
        st.caption(messages.plain(picture.about))
    with right:
        figures.show(
            record(drawn.similarity_figure, frame),
            frame,
            file=f"texts-{run.name}-step{step}",
            note=f"The nearest {len(frame.value)} of {len(names.value):,} texts: {what}. "
            f"Step {step:,}.",
        )


def _choose_picture(run: Run, pictures: Pool) -> Chosen | None:
    ids = selection.picked(pictures, "picture", selection.default_picks(pictures, 1))
    selection.remember_shown(_KEY, ids)
    selection.show_gallery(
        pictures,
        label="Pictures",
        selected=ids[0] if ids else None,
        key=_KEY,
        name="picture",
        most=1,
    )
    left, _ = st.columns([2, 3])
    with left:
        selection.bring_pictures(run.config.model.image_size, most=selection.MOST)
    brought = selection.uploads()
    if brought:
        return selection.of_upload(brought[0], run.config.model.image_size)
    return selection.of_pool(pictures, pictures.place[ids[0]]) if ids else None


def _candidates(pictures: Pool) -> tuple[Recorded[pd.DataFrame], str]:
    """Texts to search among, and their description."""
    if not pictures.texts:
        return record(PictureSet.names, pictures.source), "names of the probe pairs"
    languages = list(pictures.texts)
    language = controls.choice(
        "language",
        "Language of the texts",
        [*languages, _EVERY],
        noun="language",
        words=lambda each: f"all {len(languages)} languages" if each == _EVERY else each,
        say=False,
    )
    spoken = languages if language == _EVERY else [language]
    where = f"in {language}" if language != _EVERY else f"in {len(languages)} languages"
    names = record(PictureSet.names, pictures.source, spoken)
    return names, f"all names of the data set {where}"
