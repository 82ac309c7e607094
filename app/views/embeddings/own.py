"""The reader's own pictures and texts, to be put on the map."""

from __future__ import annotations

import streamlit as st

import analysis
from analysis.classification import embed_pictures, embed_texts
from analysis.points import Points
from analysis.recipes import Recorded, record
from app.parts import messages, pictures, texts
from app.server import recorded, runs
from app.shell import controls
from app.views.embeddings.source import Source

#: Most pictures and texts.
_MOST = 8
_LONGEST = 200


def added(source: Source, step: int, points: Recorded[Points]) -> Recorded[Points]:
    """Draws the fields; the points, and behind them the reader's."""
    if source.of_tokens or not source.run.steps():
        return points
    with st.popover("Your pictures and texts", icon=":material/add_photo_alternate:"):
        written = controls.text(
            "mine",
            "Texts, one a line",
            "",
            lines=True,
            clean=lambda text: text.replace("\0", "")[: _MOST * _LONGEST],
        )
        files = st.file_uploader(
            "Pictures",
            accept_multiple_files=True,
            key="embeddings.uploads",
            help=f"PNG, JPEG, WebP, GIF and others. Up to {_MOST}, for this session only.",
        )
    lines = [line.strip()[:_LONGEST] for line in written.splitlines() if line.strip()][:_MOST]
    uploads = _readable(files[:_MOST], source.run.config.model.image_size)
    if not lines and not uploads:
        return points
    if step not in source.run.steps():
        known = ", ".join(f"{each:,}" for each in source.run.steps())
        messages.say(
            "info",
            f"Step {step:,} has no parameters, so your pictures and texts cannot be embedded at "
            f"it. Choose one of {known}.",
        )
        return points
    model = recorded.model(source.run, step)
    texts.say_what_was_changed(runs.load_model(source.run, step).tokenizer, lines)
    of_pictures = recorded.measured(
        embed_pictures, model, [pictures.recorded(upload) for upload in uploads]
    )
    of_texts = recorded.measured(embed_texts, model, lines)
    names = [*(messages.visible(upload.name, 80) for upload in uploads), *lines]
    return record(analysis.added_points, points, of_pictures, of_texts, names)


def _readable(files: list, size: int) -> list[pictures.Upload]:
    """The files that are pictures; a sentence for each other one."""
    from limoe_core.data.preprocess import PictureError

    found = []
    for file in files:
        upload = pictures.Upload(file.name, file.getvalue())
        try:
            pictures.prepare(upload, size)
        except PictureError as error:
            messages.say("error", f"{messages.visible(upload.name, 100)}: {error}")
            continue
        found.append(upload)
    return found
