"""Data sets that models are commonly compared on, asked by their name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from limoe_core.config import DataConfig
from limoe_core.data.catalogue import Part, PreparedSet
from limoe_core.evaluation.embedding import Encoder, Progress, embed_pictures, silent
from limoe_core.evaluation.linear_probe import linear_probe
from limoe_core.evaluation.retrieval import evaluate_retrieval
from limoe_core.evaluation.zero_shot import NameEmbeddings, classify
from limoe_core.runs.predictions import Predictions

Results = dict[str, dict[str, Any]]


def check_prepared(known: PreparedSet, data: DataConfig, parts: Sequence[Part]) -> None:
    """Looks whether a known set can be read, before anything is computed.

    Raises:
      ConfigError: it is not there, or lacks a split; the message says what to do.
    """
    known.open(data, *known.test_splits)
    if "linear_probe" in parts:
        known.open(data, "train")


def evaluate_known(
    model: Encoder,
    known: PreparedSet,
    data: DataConfig,
    parts: Sequence[Part],
    *,
    side: int,
    seed: int = 0,
    progress: Progress = silent,
    bars: bool = False,
) -> tuple[Results, dict[str, Predictions]]:
    """What is asked about a known set, by task name, and single zero-shot answers.

    Tasks are called by the part and the set, such as `zero_shot_cifar100`. Intervals of
    zero-shot accuracy and of recall take pictures as independent; the classes are all there are.

    Args:
      data: where the set lies.
      side: of the square that pictures are fitted into before the model sees them.
      bars: whether to show how far reading texts from disk has come.
    """
    test = known.open(data, *known.test_splits, side=side)
    common = {"split": test.split, "data": test.name, "set": known.name, "seed": seed}
    if test.caption:
        whole = test.surveyed(progress=bars)
        found = evaluate_retrieval(model, whole, seed=seed, progress=progress)
        return {f"retrieval_{known.name}": {**common, **found}}, {}
    pairs = known.load(data, test.split, side=side, progress=bars)
    common["digest"] = pairs.digest
    label = f"pictures of {known.name}"
    pictures = embed_pictures(model, pairs.pictures, label=label, progress=progress)
    results: Results = {}
    answers: dict[str, Predictions] = {}
    if "zero_shot" in parts:
        task = f"zero_shot_{known.name}"
        names = NameEmbeddings.of(model, pairs.concepts, known.templates, progress=progress)
        result, answers[task] = classify(pictures, pairs, names, seed=seed, independent=True)
        results[task] = {**common, "classes": "all", "resampled": "pictures", **result}
    if "linear_probe" in parts:
        train = known.open(data, "train", side=side)
        found = linear_probe(
            model,
            train,
            pictures,
            pairs.concept,
            len(pairs.concepts),
            seed=seed,
            progress=progress,
        )
        results[f"linear_probe_{known.name}"] = {**common, **found}
    return results, answers
