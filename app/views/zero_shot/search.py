"""Search pictures by text, and texts by picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from analysis.classification import nearest
from analysis.figures.classification import similarity_figure
from app.components.tiles import Tile, tiles
from app.parts import figures, messages
from app.parts.export import take_away
from app.parts.glossary import TERMS
from app.shell import controls, state
from app.views.zero_shot import embeddings, pool, selection
from app.views.zero_shot.labels import LONGEST, cut_note
from app.views.zero_shot.pool import Pool
from app.views.zero_shot.selection import Chosen
from limoe_core.runs.directory import Run

_FOUND, _TEXTS = 24, 15
_KEY = "zero_shot.search_gallery"
_EVERY = "all"


def show(run: Run, step: int) -> None:
    """Draws the view."""
    pictures = pool.of_run(run)
    pool.offer_build(run)
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
    query = embeddings.of_texts(run, step, [text])[0]
    if not np.any(query):
        messages.say("info", "The model cannot read any of this text; try another.")
        return
    best, similarity = nearest(query, embeddings.of_pool(run, step, pictures), _FOUND)
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
                hint=f"{pictures.categories[i]} · {pictures.styles[i]} · {pictures.splits[i]}",
            )
            for i, value in zip(best, similarity, strict=True)
        ],
        pictures.pictures[best],
        label="Pictures found, nearest first",
        key="zero_shot.found",
        action="classify it",
        on_pick=_classify,
    )
    frame = _found_frame(pictures, best, similarity)
    recipe = f"""import limoe_core
from analysis.classification import nearest

model = limoe_core.load({str(run.path)!r}, step={step})
{pictures.recipe}
query = model.encode_texts([{text!r}])[0]
best, similarity = nearest(query, model.encode_images(pictures), {_FOUND})
"""
    take_away(
        lambda: frame, recipe, file=f"search-{run.name}-step{step}", what="the pictures found"
    )


def _classify(picture: str) -> None:
    state.put("pictures", picture)
    state.put("show", "classify")


def _found_frame(pictures: Pool, best: np.ndarray, similarity: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(best) + 1),
            "key": [pictures.keys[i] for i in best],
            "name": [pictures.names[i] for i in best],
            "category": [pictures.categories[i] for i in best],
            "style": [pictures.styles[i] for i in best],
            "split": [pictures.splits[i] for i in best],
            "similarity": similarity,
        }
    )


# ---- texts by picture


@dataclass(frozen=True)
class Texts:
    """Texts to find."""

    texts: tuple[str, ...]
    languages: tuple[str, ...]
    what: str
    recipe: str


def _texts_by_picture(run: Run, step: int, pictures: Pool) -> None:
    picture = _choose_picture(run, pictures)
    candidates = _candidates(pictures)
    if picture is None:
        messages.say("info", "Select a picture above, or upload your own.")
        return
    embedded = embeddings.of_names(run, step, candidates.texts, candidates.what)
    best, similarity = nearest(picture.embed(run, step), embedded, _TEXTS)
    frame = pd.DataFrame(
        {
            "rank": np.arange(1, len(best) + 1),
            "text": [candidates.texts[i] for i in best],
            "language": [candidates.languages[i] for i in best],
            "similarity": similarity,
        }
    )
    left, right = st.columns([1, 3])
    with left:
        st.image(picture.shown, width=128, output_format="PNG")
        st.markdown(f"**{messages.plain(picture.name, 120)}**")
        st.caption(messages.plain(picture.about))
    with right:
        recipe = f"""import pandas as pd

import limoe_core
from analysis.classification import nearest
from analysis.figures.classification import similarity_figure
{"import PIL.Image" if "PIL." in picture.recipe else ""}
model = limoe_core.load({str(run.path)!r}, step={step})
{pictures.recipe}
{candidates.recipe}
best, similarity = nearest(
    model.encode_images([{picture.recipe}])[0], model.encode_texts(texts), {_TEXTS}
)
frame = pd.DataFrame({{"text": [texts[i] for i in best], "similarity": similarity}})
figure = similarity_figure(frame)
"""
        figures.show(
            similarity_figure(frame),
            frame,
            recipe,
            file=f"texts-{run.name}-step{step}",
            note=f"The nearest {len(best)} of {len(candidates.texts):,} texts: {candidates.what}. "
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


def _candidates(pictures: Pool) -> Texts:
    if not pictures.texts:
        texts = tuple(dict.fromkeys(name for name in pictures.names if name))
        recipe = (
            "trace = model.run.probe(model.run.probe_steps()[-1])\n"
            "texts = list(dict.fromkeys(map(str, trace.meta['name'])))"
        )
        return Texts(texts, ("",) * len(texts), "names of the probe pairs", recipe)
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
    found: dict[str, str] = {}
    for each in spoken:
        for name in pictures.texts[each]:
            found.setdefault(name, each)
    recipe = (
        "from limoe_core.data.source import load_pairs\n\n"
        "table = load_pairs(model.config.data, 'validation').concepts\n"
        f"texts = list(dict.fromkeys(str(name) for language in {spoken!r} "
        "for name in table.names[language]))"
    )
    where = f"in {language}" if language != _EVERY else f"in {len(languages)} languages"
    return Texts(tuple(found), tuple(found.values()), f"all names of the data set {where}", recipe)
