"""Classify pictures by labels in any language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from analysis import figures as drawn
from analysis.classification import (
    SLOT,
    classification_frame,
    prompts,
    read_as_one,
    right_first,
    temperature,
    told_apart,
)
from analysis.picture_sets import PictureSet
from analysis.recipes import Recorded, constant, record
from app.parts import figures, messages, splits, texts
from app.parts.export import take_away
from app.parts.glossary import TERMS
from app.parts.pictures import draw_picture
from app.server import recorded, runs
from app.shell import controls, state
from app.views.zero_shot import embeddings, pool, selection
from app.views.zero_shot.labels import LONGEST, Labels, cut_note, read_template, same_note
from app.views.zero_shot.pool import Pool
from app.views.zero_shot.selection import Chosen
from limoe_core.runs.directory import Run

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

_TYPED, _ALL = "typed", "all"
_PICTURES = "pictures"  # in the address bar
_KEY = "zero_shot.gallery"
#: Labels and pictures that the page opens with.
_LABELS_AT_FIRST, _PICTURES_AT_FIRST = 9, 4
_BARS = 8
_BY_HAND = "your labels"


@dataclass(frozen=True)
class Classes:
    """The classes to choose from."""

    labels: Recorded[Sequence[str]]
    texts: Recorded[list[str]]
    """The labels in the prompt template."""
    what: str
    """The classes in words, for the note under the figure."""


def show(run: Run, step: int) -> None:
    """Draws the view."""
    pictures = pool.of_run(run)
    pool.say_whose(run)
    left, right = st.columns([2, 3], gap="medium")
    with left:
        classes = _choose_classes(run, step, pictures)
    with right:
        looked_at = _choose_pictures(run, pictures)
    if classes is None:
        return
    if not looked_at:
        messages.say("info", "Select a picture above, or upload your own.")
        return
    _say_how_they_are_read(run, step, classes)
    frame = _classified(run, step, looked_at, classes)
    labels = classes.labels.value
    tau = temperature(runs.load_model(run, step))
    st.caption(
        f"Probability: softmax over {messages.counted(len(labels), 'class', 'classes')} "
        f"({classes.what}) of cosine similarity / τ, with the learned temperature τ = {tau:.4f}. "
        f"Triangle under each bar: what chance gives. Step {step:,}.",
        help=TERMS["zero-shot"] + "\n\n" + TERMS["temperature"],
    )
    if len(labels) == 1:
        messages.say(
            "info",
            "With a single label, every picture gets it, whatever it shows. Add other labels, or "
            "hover over the bar for the cosine similarity.",
        )
    counted = record(right_first, frame, [picture.truth for picture in looked_at])
    _say_how_many_are_right(counted.value)
    answers = [
        record(drawn.classification_figure, frame, number, count=_BARS)
        for number in range(len(looked_at))
    ]
    for start in range(0, len(looked_at), 2):  # row by row, so that a phone keeps the order
        columns = st.columns(2, gap="medium")
        for column, number in zip(
            columns, range(start, min(start + 2, len(looked_at))), strict=False
        ):
            with column:
                _answer(number, looked_at[number], frame.value, answers[number])
    left, right = st.columns(2)
    with left:
        take_away(
            frame,
            *answers,
            file=f"classification-{run.name}-step{step}",
            what="all probabilities",
        )
    with right:
        take_away(counted, file=f"right-{run.name}-step{step}", what="how many are right")


def _say_how_many_are_right(found: pd.DataFrame) -> None:
    row = found.iloc[0]
    pictures = int(row["pictures"])
    if not pictures:
        return
    st.markdown(
        f"**{int(row['right'])} of {pictures}** "
        f"{'picture has its' if pictures == 1 else 'pictures have their'} own name first (95 %: "
        f"{row['low']:.0%} to {row['high']:.0%}). Were the answers exchanged among these pictures, "
        f"{row['chance']:.1f} would on average be right; by guessing, {row['guessing']:.1f}."
    )


# ---- classes


def _choose_classes(run: Run, step: int, pictures: Pool) -> Classes | None:
    ways = {_TYPED: "my own labels"}
    if pictures.texts:
        ways[_ALL] = f"all {len(next(iter(pictures.texts.values()))):,} names"
    way = controls.choice(
        "against",
        "Classes",
        list(ways),
        noun="kind of classes",
        words=ways,
        look="buttons",
        help=TERMS["zero-shot"],
    )
    if way == _ALL:
        labels, what = _all_names(pictures)
    else:
        labels, what = _typed(pictures)
    template, wrong = read_template(_type_template())
    if wrong:
        messages.say("warning", wrong)
    if not len(labels.value):
        messages.say("info", "There are no classes: type some labels, one per line.")
        return None
    labels = _told_apart(run, step, labels, template)
    return Classes(labels, record(prompts, labels, template).named("texts"), what)


def _told_apart(
    run: Run, step: int, labels: Recorded[Sequence[str]], template: str
) -> Recorded[Sequence[str]]:
    """The labels, each that reads the same to the model as an earlier one left out and told."""
    names = labels.value
    same = read_as_one(runs.load_model(run, step), prompts(names, template))
    note = same_note({names[later]: names[first] for later, first in same.items()})
    if note is None:
        return labels
    messages.say("info", note)
    apart: Recorded[Sequence[str]] = record(told_apart, recorded.model(run, step), labels, template)
    return apart.named("labels")


def _typed(pictures: Pool) -> tuple[Recorded[Sequence[str]], str]:
    default = "\n".join(dict.fromkeys(_names_at_first(pictures)))
    text = controls.text(
        "labels",
        "Labels, one per line, in any language",
        default,
        clean=lambda text: text.replace("\0", ""),
        lines=True,
        height=180,
        placeholder="a red apple\nun gato negro\n青い車",
        help="Press Ctrl+Enter, or click elsewhere, to classify.",
    )
    found = Labels.read(text)
    for note in found.notes:
        messages.say("info", note)
    if len(text) > state.LONGEST_IN_ADDRESS:
        messages.say(
            "info", "These labels are too long for the address bar: a link leaves them out."
        )
    return constant(list(found.names), "labels"), _BY_HAND


def _names_at_first(pictures: Pool) -> list[str]:
    return [
        pictures.names[pictures.place[i]]
        for i in selection.default_picks(pictures, _LABELS_AT_FIRST)
    ]


def _all_names(pictures: Pool) -> tuple[Recorded[Sequence[str]], str]:
    languages = list(pictures.texts)
    language = controls.choice("language", "Language of the names", languages, noun="language")
    names = record(PictureSet.names, pictures.source, [language])
    return names["text"].named("labels"), f"all names of the data set in {language}, each once"


def _type_template() -> str:
    return controls.text(
        "template",
        "Prompt template",
        SLOT,
        clean=lambda text: text.strip()[:LONGEST] or SLOT,
        help="Each label takes the place of {} before it is embedded, as in: a picture of {}",
    )


def _say_how_they_are_read(run: Run, step: int, classes: Classes) -> None:
    if classes.what != _BY_HAND:
        return
    cut = embeddings.cut_texts(run, step, classes.texts.value)
    note = cut_note(cut, run.config.model.text_length)
    if note:
        messages.say("warning", note)
    texts.say_what_was_changed(runs.load_model(run, step).tokenizer, classes.labels.value)


# ---- pictures


def _choose_pictures(run: Run, pictures: Pool) -> list[Chosen]:
    default = selection.default_picks(pictures, _PICTURES_AT_FIRST)
    ids = selection.picked(pictures, _PICTURES, default)
    selection.remember_shown(_KEY, ids)
    selection.show_gallery(
        pictures,
        label="Pictures",
        selected=ids[0] if ids else None,
        key=_KEY,
        name=_PICTURES,
        most=selection.MOST,
    )
    bring, clear = st.columns([3, 2])
    with bring:
        selection.bring_pictures(run.config.model.image_size, most=selection.MOST)
    with clear:
        st.button(
            "Clear all",
            icon=":material/close:",
            width="stretch",
            key="zero_shot.clear",
            on_click=_clear,
            help=f"Click a picture to add it; the latest {selection.MOST} are classified.",
        )
    sample = f"{selection.SHOWN} of " if len(pictures) > selection.SHOWN else ""
    others = "; Search finds the others" if sample else ""
    of_what = splits.summary(pictures.splits, pictures.split_words)
    st.caption(
        messages.plain(f"{sample}{len(pictures):,} {pictures.title}{others}. {of_what}.", 500)
    )
    size = run.config.model.image_size
    brought = [selection.of_upload(upload, size) for upload in selection.uploads()]
    picked = [selection.of_pool(pictures, pictures.place[i]) for i in ids]
    return [*brought, *picked][: selection.MOST]


def _clear() -> None:
    state.put(_PICTURES, ",")
    selection.forget_uploads()


# ---- answers


def _classified(
    run: Run, step: int, looked_at: Sequence[Chosen], classes: Classes
) -> Recorded[pd.DataFrame]:
    return record(
        classification_frame,
        embeddings.of_pictures(run, step, [picture.recorded for picture in looked_at]),
        embeddings.of_texts(run, step, classes.texts, "the names"),
        record(temperature, recorded.model(run, step)),
        names=[picture.name for picture in looked_at],
        labels=classes.labels,
        texts=classes.texts,
    )


def _answer(number: int, picture: Chosen, frame: pd.DataFrame, figure: Recorded[go.Figure]) -> None:
    mine = frame[frame["picture"] == number]
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            draw_picture(picture.shown, picture.name, width=72)
            st.markdown(f"**{messages.plain(picture.name, 120)}**  \n{_about(picture, mine)}")
        figures.draw(figure, key=f"answer.{number}", file=f"classification-{picture.name}")


def _about(picture: Chosen, mine: pd.DataFrame) -> str:
    words = messages.plain(picture.about, 300)
    if not picture.truth:
        return f":small[{words}]"
    same = mine[[str(label).casefold() == picture.truth.casefold() for label in mine["label"]]]
    if same.empty:
        return f":small[{words}]"
    return f":small[{words} · correct name at rank {int(same['rank'].iloc[0]):,}]"
