"""Embeddings of pictures and texts, made once per server for each model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from analysis.classification import embed_pictures, embed_texts
from analysis.recipes import Recorded, record
from app.server import recorded, runs
from app.views.zero_shot.pool import Pool
from limoe_core.runs.directory import Run

#: In one forward pass, where there are many.
_BATCH = 128
#: More texts than this are embedded by a job, with progress.
_MANY = 256


def of_pool(run: Run, step: int, pool: Pool) -> Recorded[np.ndarray]:
    """Embeddings of every picture of a pool, with progress the first time."""
    pictures = pool.source.attribute("pictures")
    call = record(embed_pictures, recorded.model(run, step), pictures, portion=_BATCH)
    return recorded.worked_with_progress(call, "Embedding the pictures")


def of_pictures(run: Run, step: int, pictures: Sequence[Recorded[Any]]) -> Recorded[np.ndarray]:
    """Embeddings of a few pictures, of which the server knows those that it saw before."""
    model = recorded.model(run, step)

    def one_by_one(_: object) -> np.ndarray:
        with st.spinner("Embedding the pictures …"):
            found = [recorded.measured(embed_pictures, model, [each]).value for each in pictures]
        return np.concatenate(found)

    return record(embed_pictures, model, list(pictures)).through(one_by_one)


def of_texts(
    run: Run, step: int, texts: Recorded[Any] | list[str], what: str = "the texts"
) -> Recorded[np.ndarray]:
    """Embeddings of texts, with progress the first time if there are many."""
    model = recorded.model(run, step)
    count = len(texts.value if isinstance(texts, Recorded) else texts)
    if count > _MANY:
        call = record(embed_texts, model, texts, portion=_BATCH)
        return recorded.worked_with_progress(call, f"Embedding {what}")
    return recorded.measured(embed_texts, model, texts)


def cut_texts(run: Run, step: int, texts: Sequence[str]) -> dict[str, str]:
    """Ends of texts that are too long for the model to read, by text."""
    model = runs.load_model(run, step)
    length = model.config.model.text_length
    # A piece has at least a character, so a shorter text always fits unless it falls back to bytes.
    long = [text for text in texts if len(text.encode("utf-8", "replace")) > length]
    cut = {text: model.tokenizer.encode_one(text, length).cut for text in long}
    return {text: rest for text, rest in cut.items() if rest}
