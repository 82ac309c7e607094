"""The map on the page: how it is made, of which step, and where the points lie on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

import analysis
from analysis.classification import embed_texts
from analysis.kept_maps import cached_embedding_map
from analysis.maps import Map
from analysis.points import Points
from analysis.recipes import Recorded, record
from app.parts import messages
from app.parts.glossary import TERMS
from app.server import jobs, recorded
from app.shell import controls
from app.views.embeddings.source import Source
from limoe_core import places

_WAYS = {"pca": "PCA", "umap": "UMAP", "texts": "two texts"}
_SEEDS = range(5)
#: More points than this are placed by a job.
_MANY = 10_000
_AXES = ("a picture of an animal", "a picture of food")
#: Longest text of an axis, in characters.
_LONGEST = 200


@dataclass(frozen=True, eq=False)
class Fitted:
    """A map that stays still."""

    map: Recorded[Map]
    way: str
    step: int
    """It was fitted at; of two texts, the step in view."""
    axes: tuple[str, str]
    sentence: str


def choose_way(source: Source) -> str:
    """Draws the choice of the kind of map."""
    ways = [way for way in _WAYS if way != "texts" or (source.run.steps() and not source.of_tokens)]
    return controls.choice(
        "map", "Map", ways, noun="kind of map", words=_WAYS, look="buttons", help=TERMS["map"],
        say=False,
    )  # fmt: skip


def fit(source: Source, way: str, step: int) -> Fitted | None:
    """Draws the settings of the map and fits it; None, with a message, where it cannot be."""
    if way == "texts":
        return _texts(source, step)
    steps = source.steps
    left, right = st.columns(2)
    with left:
        fitted_at = controls.choice(
            "fit",
            "Map fitted at step",
            steps,
            default=steps[-1],
            noun="step to fit the map at",
            words=lambda each: f"{each:,}",
            pinned=True,
            say=False,
            shown=len(steps) > 1,
            help="The map stays still while you change the step: what it was not fitted on is "
            "placed on it.",
        )
    points = source.points(fitted_at)
    _ = points.value  # here, with its progress, and not while a cache waits for it
    vectors = points.attribute("vectors")
    if way == "pca":
        call: Recorded[Any] = recorded.kept(record(analysis.embedding_map, vectors))
        share = call.value.explained
        return Fitted(
            call,
            way,
            fitted_at,
            (f"1st component, {share[0]:.0%} of the variance", f"2nd, {share[1]:.0%}"),
            f"PCA of step {fitted_at:,}, which shows {share.sum():.0%} of the variance.",
        )
    with right:
        seed = controls.choice(
            "seed",
            "Seed",
            list(_SEEDS),
            help="What changes with the seed is the map's, and not the model's.",
        )
    call = _umap(vectors, seed)
    _ = call.value  # here, with its progress, and not while a cache waits for it
    return Fitted(
        call,
        way,
        fitted_at,
        ("UMAP 1", "UMAP 2"),
        f"UMAP of step {fitted_at:,}, seed {seed}: neighbours lie together, distances between "
        "groups mean nothing.",
    )


def _umap(vectors: Recorded[Any], seed: int) -> Recorded[Any]:
    """The layout, as a job of the server; kept on disk where that can be."""
    call: Recorded[Any] = record(analysis.embedding_map, vectors, "umap", seed=seed)
    found = vectors.value

    def compute(progress: jobs.Progress) -> Map:
        folder = _cache()
        if folder is None:
            return call.compute(progress=progress)
        return cached_embedding_map(found, folder, seed=seed, progress=progress)

    label = "Making the map (UMAP compiles for some seconds the first time)"
    return call.through(lambda _: jobs.result(call.key, compute, label))


def _cache() -> Path | None:
    """Folder of kept maps, apart from runs; None where there is none that can be written."""
    return places.cache("maps")


def _texts(source: Source, step: int) -> Fitted | None:
    columns = st.columns(2)
    texts = []
    for name, label, default, column in zip(
        ("x", "y"), ("Across", "Up"), _AXES, columns, strict=True
    ):
        with column:
            texts.append(
                controls.text(
                    name,
                    f"{label}: similarity to the text",
                    default,
                    clean=lambda text: text.replace("\0", "")[:_LONGEST],
                )
            )
    if not all(text.strip() for text in texts):
        messages.say("info", "Type a text for each axis.")
        return None
    if step not in source.run.steps():
        known = ", ".join(f"{each:,}" for each in source.run.steps())
        messages.say(
            "info",
            f"Step {step:,} has no parameters, so no text can be embedded at it. Choose one of "
            f"{known}.",
        )
        return None
    embedded = recorded.measured(embed_texts, recorded.model(source.run, step), texts)
    call: Recorded[Any] = record(analysis.axes_map, embedded)
    shown = [messages.visible(text, 40) for text in texts]
    return Fitted(
        call,
        "texts",
        step,
        (f"cosine similarity to “{shown[0]}”", f"to “{shown[1]}”"),
        "Cosine similarity to two texts: nothing is fitted.",
    )


def placed(fitted: Fitted, points: Recorded[Points]) -> Recorded[Any]:
    """Where the points lie: `analysis.map_frame`."""
    call = record(analysis.map_frame, points, fitted.map)
    return _made(call, points, "Placing the points on the map")


def trusted(fitted: Fitted, points: Recorded[Points]) -> Recorded[Any]:
    """How far neighbourhoods on the map are those of the space: `analysis.map_agreement`."""
    vectors = points.attribute("vectors")
    positions = record(type(fitted.map.value).place, fitted.map, vectors)
    call = record(analysis.map_agreement, vectors, positions)
    return _made(call, points, "Comparing the map with the space")


def _made(call: Recorded[Any], points: Recorded[Points], label: str) -> Recorded[Any]:
    """The call with its value kept; with a bar where there are many points."""
    if len(points.value.known) > _MANY:
        return recorded.worked(call, label)
    return recorded.kept(call)
