"""Runs with stored evaluations: real ones, of a small made-up data set."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from limoe_core.data.pairs import ArrayPictures, ConceptTable, PairSet
from limoe_core.evaluation.retrieval import retrieval_result
from limoe_core.evaluation.zero_shot import NameEmbeddings, classify
from limoe_core.runs.directory import Run

_NAMES = ("red apple", "<i>green</i> apple", "dog", "red heart", "heart suit", "house")
_CATEGORIES = ("Food", "Food", "Animals", "Symbols", "Symbols", "Travel")
_STYLES = ("openmoji", "twemoji")


def some_pairs(split: str = "test_style") -> PairSet:
    """Twelve pictures: six concepts in two styles, with names in two languages."""
    rng = np.random.default_rng(0)
    concept = np.repeat(np.arange(6), 2).astype(np.int32)
    table = ConceptTable(
        keys=np.array(["1F34E", "1F34F", "1F415", "2764", "2665", "1F3E0"]),
        names={
            "en": np.array(_NAMES),
            "ar": np.array(["تفاحة حمراء", "تفاحة خضراء", "كلب", "قلب أحمر", "قلب", "بيت"]),
        },
        aliases=[()] * 6,
        category=np.array(_CATEGORIES),
    )
    pixels = rng.integers(0, 255, (12, 72, 72, 4)).astype(np.uint8)
    return PairSet(
        name="emoji/base:1.0.0",
        split=split,
        pictures=ArrayPictures(pixels),
        concept=concept,
        style=np.array(_STYLES * 6),
        category=table.category[concept],
        concepts=table,
    )


def evaluate(run: Run, step: int, sharpness: float) -> None:
    """Stores what a model would that knows the right answer the better, the larger `sharpness`."""
    pairs = some_pairs()
    rng = np.random.default_rng(step)
    names = {language: _unit(rng.normal(size=(6, 16))) for language in pairs.concepts.names}
    pictures = _unit(
        sharpness * sum(names.values())[pairs.concept] + rng.normal(size=(len(pairs), 16))
    )
    result, predictions = classify(pictures, pairs, NameEmbeddings(names))
    common = {"step": step, "split": pairs.split, "data": pairs.name, "seed": 0}
    run.store_evaluation("zero_shot_test_style", step, {**common, "classes": "all", **result})
    predictions.save(run.path, "zero_shot_test_style", step)
    found = retrieval_result(pictures, pairs.concept, pairs.concepts.names, names, seed=0)
    run.store_evaluation("retrieval_test_style", step, {**common, "n": len(pairs), **found})


def make_evaluated(made: Path, folder: Path) -> Path:
    """`small` and `dense` of `tests.app.example_runs`, evaluated, copied to `folder`."""
    for name, sharpness in (("small", 1.0), ("dense", 3.0)):
        shutil.copytree(made / name, folder / name)
        evaluate(Run.open(folder / name), 20, sharpness)
    return folder


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)
