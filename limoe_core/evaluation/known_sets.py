"""What `limoe_core.evaluate` can ask of a model about the data sets that it knows by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from limoe_core.config import ConfigError, DataConfig
from limoe_core.data.catalogue import KNOWN, Part
from limoe_core.data.pairs import PairSet
from limoe_core.data.prepared import PreparedSplit, load_prepared, open_prepared
from limoe_core.data.source import load_pairs
from limoe_core.evaluation.embedding import Encoder, Progress, embed_pictures, embed_texts, silent
from limoe_core.evaluation.linear_probe import Categories, Labelled, linear_probe
from limoe_core.evaluation.scoring import caption_retrieval_result
from limoe_core.evaluation.zero_shot import NameEmbeddings, classify
from limoe_core.runs.predictions import Predictions

#: Captions of a picture that count in retrieval: COCO has five, and a few pictures have more.
CAPTIONS = 5

Results = dict[str, dict[str, Any]]


def check_prepared(data: DataConfig, parts: Sequence[Part]) -> None:
    """Looks whether a known set can be read, before anything is computed.

    Raises:
      ConfigError: it is not there, or lacks a split; the message says what to do.
    """
    open_prepared(data, *KNOWN[data.name].splits)
    if "linear_probe" in parts:
        open_prepared(data, "train")


def evaluate_known(
    model: Encoder,
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
      side: of the square that pictures are fitted into before the model sees them.
      bars: whether to show how far reading texts from disk has come.
    """
    test = open_prepared(data, *KNOWN[data.name].splits, side=side)
    common = {"split": test.split, "data": test.name, "set": data.name, "seed": seed}
    if test.caption:
        found = _retrieval(model, test, seed, progress, bars)
        return {f"retrieval_{data.name}": {**common, **found}}, {}
    pairs = load_prepared(data, test.split, side=side, progress=bars)
    label = f"pictures of {data.name}"
    pictures = embed_pictures(model, pairs.pictures, label=label, progress=progress)
    results: Results = {}
    answers: dict[str, Predictions] = {}
    if "zero_shot" in parts:
        task = f"zero_shot_{data.name}"
        names = NameEmbeddings.of(model, pairs.concepts, data.name, progress=progress)
        result, answers[task] = classify(pictures, pairs, names, seed=seed, independent=True)
        results[task] = {**common, "classes": "all", "resampled": "pictures", **result}
    if "linear_probe" in parts:
        train = open_prepared(data, "train", side=side)
        found = linear_probe(
            model,
            train,
            pictures,
            pairs.concept,
            len(pairs.concepts),
            seed=seed,
            progress=progress,
        )
        results[f"linear_probe_{data.name}"] = {**common, **found}
    return results, answers


def evaluate_linear_probe(
    model: Encoder,
    data: DataConfig,
    *,
    side: int,
    seed: int = 0,
    progress: Progress = silent,
    bars: bool = False,
) -> dict[str, Any]:
    """A linear probe of the run's own data set.

    For emoji the classes are their categories, and the test pictures are those of concepts that
    training never saw, so that no picture of the same thing is among the examples. Of any other
    set it is its labels, and its test split.

    Raises:
      ConfigError: the data set has captions instead of labels.
    """
    train: Labelled
    if data.name == "emoji":
        pairs = load_pairs(data, "test_concept", progress=bars)
        train = Categories(load_pairs(data, "train", progress=bars))
        labels = Categories(pairs).labels(np.arange(len(pairs)))
        classes = Categories(pairs).names
    else:
        train, pairs = _labelled(data, side, bars)
        labels, classes = pairs.concept, [str(key) for key in pairs.concepts.keys]
    pictures = embed_pictures(
        model, pairs.pictures, label=f"pictures of {pairs.split}", progress=progress
    )
    found = linear_probe(model, train, pictures, labels, len(classes), seed=seed, progress=progress)
    named = {"class_names": classes} if data.name == "emoji" else {}
    return {"split": pairs.split, "data": pairs.name, "seed": seed, **named, **found}


def _labelled(data: DataConfig, side: int, bars: bool) -> tuple[PreparedSplit, PairSet]:
    train = open_prepared(data, "train", side=side)
    if train.caption:
        raise ConfigError(
            f"linear_probe needs labels, and {data.name} has captions; a set with labels can be "
            "probed whatever the run was trained on, as with --tasks linear_probe_cifar100"
        )
    return train, load_prepared(data, "test", side=side, progress=bars)


def _retrieval(
    model: Encoder, test: PreparedSplit, seed: int, progress: Progress, bars: bool
) -> dict[str, Any]:
    texts: list[str] = []
    image_of_text: list[int] = []
    places: list[int] = []
    for block in test.blocks(bars):
        for place, captions in zip(block, test.captions(block), strict=True):
            own = [caption for caption in captions if caption.strip()][:CAPTIONS]
            if own:  # A picture without a caption can be neither asked for nor about.
                image_of_text += [len(places)] * len(own)
                places.append(place)
                texts += own
    if not places:
        raise ConfigError(f"no picture of the split {test.split} of {test.name} has a caption")
    pictures = embed_pictures(
        model,
        test.pictures,
        np.array(places),
        label=f"pictures of {test.split}",
        progress=progress,
    )
    result = caption_retrieval_result(
        pictures,
        embed_texts(model, texts, label=f"captions of {test.split}", progress=progress),
        np.array(image_of_text),
        seed=seed,
    )
    return {"n": len(places), "captions_per_image": CAPTIONS, "resampled": "pictures", **result}
