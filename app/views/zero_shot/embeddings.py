"""Embeddings of pictures and texts, made once per server for each model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from jaxtyping import Float

from app.server import jobs, runs
from app.views.zero_shot.pool import Pool
from limoe_core.runs.directory import Run

if TYPE_CHECKING:
    from limoe_core.inference import LoadedModel

_BATCH = 128
_FEW = 16


def of_pool(run: Run, step: int, pool: Pool) -> Float[np.ndarray, "n d"]:
    """Embeddings of every picture of a pool, with progress the first time."""
    model = runs.load_model(run, step)

    def work(progress: jobs.Progress) -> np.ndarray:
        found = []
        for start in range(0, len(pool), _BATCH):
            progress(start, len(pool))
            found.append(model.encode_images(list(pool.raw[start : start + _BATCH])))
        return np.concatenate(found)

    key = ("pictures", *_mark(run, step), pool.title, len(pool))
    return jobs.result(key, work, "Embedding the pictures")


def of_names(run: Run, step: int, texts: Sequence[str], what: str) -> Float[np.ndarray, "n d"]:
    """Embeddings of many texts, with progress the first time."""
    model = runs.load_model(run, step)

    def work(progress: jobs.Progress) -> np.ndarray:
        found = []
        for start in range(0, len(texts), _BATCH):
            progress(start, len(texts))
            found.append(model.encode_texts(list(texts[start : start + _BATCH])))
        return np.concatenate(found)

    digest = hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()
    return jobs.result(("names", *_mark(run, step), digest), work, f"Embedding {what}")


def of_texts(run: Run, step: int, texts: Sequence[str]) -> Float[np.ndarray, "n d"]:
    """Embeddings of texts that a reader typed, a few or some hundred."""
    return _of_texts(*_mark(run, step), tuple(texts), runs.load_model(run, step))


@st.cache_data(max_entries=256, show_spinner="Embedding the texts …")
def _of_texts(
    path: str, step: int, changed: tuple[int, int], texts: tuple[str, ...], _model: LoadedModel
) -> np.ndarray:
    # In portions of one size, filled up with nothing: another size would be compiled anew.
    found = []
    for start in range(0, len(texts), _FEW):
        portion = list(texts[start : start + _FEW])
        filled = portion + [""] * (_FEW - len(portion))
        found.append(_model.encode_texts(filled)[: len(portion)])
    return np.concatenate(found)


def of_picture(
    run: Run, step: int, digest: str, picture: np.ndarray, *, pixels: bool
) -> Float[np.ndarray, " d"]:
    """Embedding of one picture.

    Args:
      digest: tells the picture from others.
      picture: uint8 of any size, or with `pixels` the model's own input in [-1, 1].
    """
    return _of_picture(*_mark(run, step), digest, pixels, picture, runs.load_model(run, step))


@st.cache_data(max_entries=1024, show_spinner="Embedding the picture …")
def _of_picture(
    path: str,
    step: int,
    changed: tuple[int, int],
    digest: str,
    pixels: bool,
    _picture: np.ndarray,
    _model: LoadedModel,
) -> np.ndarray:
    if pixels:
        return _model.encode_pixels(_picture[None])[0]
    return _model.encode_images([_picture])[0]


def cut_texts(run: Run, step: int, texts: Sequence[str]) -> dict[str, str]:
    """What the model does not read of texts that are too long for it, by text."""
    model = runs.load_model(run, step)
    length = model.config.model.text_length
    # A piece has at least a character, so a shorter text always fits unless it falls back to bytes.
    long = [text for text in texts if len(text.encode("utf-8", "replace")) > length]
    cut = {text: model.tokenizer.encode_one(text, length).cut for text in long}
    return {text: rest for text, rest in cut.items() if rest}


def _mark(run: Run, step: int) -> tuple[str, int, tuple[int, int]]:
    return str(run.path), step, runs.model_stamp(run, step)
