"""Zero-shot classification and retrieval on one split of pictures with named concepts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Integer

from limoe_core.data.catalogue import templates
from limoe_core.evaluation.embedding import (
    Encoder,
    Progress,
    embed_ensemble,
    embed_names,
    embed_pictures,
    silent,
)
from limoe_core.evaluation.scoring import accuracies, retrieval_result, zero_shot, zero_shot_result
from limoe_core.runs.predictions import Predictions

if TYPE_CHECKING:
    from limoe_core.data.pairs import ConceptTable, PairSet


@dataclass(frozen=True)
class NameEmbeddings:
    """Class texts of one data set, embedded once and used by every task."""

    by_language: dict[str, Float[np.ndarray, "C d"]]
    ensemble: Float[np.ndarray, "C d"] | None = None
    """Names in the first language, English if there is any, in all `templates`; None to leave the
    ensemble out."""
    templates: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, model: Encoder, table: ConceptTable, data: str, *, progress: Progress = silent
    ) -> NameEmbeddings:
        """All names of a data set, and the first language's in the templates that suit it."""
        first = [str(name) for name in next(iter(table.names.values()))]
        chosen = templates(data)
        by_language = embed_names(model, table, progress=progress)
        return cls(by_language, embed_ensemble(model, first, chosen), chosen)


def classify(
    pictures: Float[np.ndarray, "n d"],
    pairs: PairSet,
    names: NameEmbeddings,
    classes: Integer[np.ndarray, " C"] | None = None,
    *,
    seed: int = 0,
    independent: bool = False,
) -> tuple[dict[str, Any], Predictions]:
    """Zero-shot classification of a split's pictures by names in each language.

    Args:
      pictures: `embed_pictures` of the split.
      classes: indices of the concepts to choose from; None for all of the data set.
      independent: whether intervals take each picture as a trial of its own, as where the classes
        are all that there are, instead of resampling concepts.
    """
    table = pairs.concepts
    everything = np.arange(len(table.keys))
    classes = everything if classes is None else np.asarray(classes)
    answers = {
        language: zero_shot(
            pictures,
            pairs.concept,
            embeddings[classes],
            classes,
            np.asarray(table.names[language])[classes],
        )
        for language, embeddings in names.by_language.items()
    }
    concepts = None if independent else pairs.concept
    groups = {
        group: values
        for group, values in (("categories", pairs.category), ("styles", pairs.style))
        if np.any(np.asarray(values) != "")
    }
    result = {
        "n": len(pairs),
        "concepts": len(np.unique(pairs.concept)),
        "ways": len(classes),
        **zero_shot_result(answers, concepts, groups, seed=seed),
    }
    language = result["headline_language"]
    if names.ensemble is not None:
        ensemble = zero_shot(
            pictures,
            pairs.concept,
            names.ensemble[classes],
            classes,
            np.asarray(table.names[language])[classes],
        )
        result["prompt_ensemble"] = {
            "templates": list(names.templates),
            **accuracies(ensemble.ranks, concepts, seed=seed),
        }
    predictions = Predictions(
        data=np.array(pairs.name),
        split=np.array(pairs.split),
        languages=np.array(list(answers)),
        keys=np.asarray(table.keys, dtype=np.str_),
        names=np.asarray(table.names[language], dtype=np.str_),
        picture=np.arange(len(pairs), dtype=np.int32),
        concept=np.asarray(pairs.concept, np.int32),
        style=np.asarray(pairs.style, dtype=np.str_),
        category=np.asarray(pairs.category, dtype=np.str_),
        ranks=np.stack([answer.ranks for answer in answers.values()]).astype(np.int32),
        top=np.stack([answer.top for answer in answers.values()]).astype(np.int32),
        similarity=np.stack([a.similarity for a in answers.values()]).astype(np.float32),
        categories=np.asarray(table.category, dtype=np.str_),
    )
    return result, predictions


def evaluate_split(
    model: Encoder,
    pairs: PairSet,
    names: NameEmbeddings,
    class_sets: Sequence[str] = ("all",),
    *,
    label: str | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[dict[str, dict[str, Any]], dict[str, Predictions]]:
    """Zero-shot and retrieval results of one split by task name, and the single answers.

    Tasks are called `zero_shot_<label>` for the first of `class_sets`, `zero_shot_<label>_all` or
    `_split` for the others, and `retrieval_<label>`; the label is the split's name by default.
    """
    label = label or pairs.split
    pictures = embed_pictures(
        model,
        pairs.pictures,
        np.arange(len(pairs)),
        label=f"pictures of {pairs.split}",
        progress=progress,
    )
    common = {"split": pairs.split, "data": pairs.name, "seed": seed}
    results, answers = {}, {}
    for place, class_set in enumerate(class_sets):
        task = f"zero_shot_{label}" + (f"_{class_set}" if place else "")
        classes = np.unique(pairs.concept) if class_set == "split" else None
        result, answers[task] = classify(pictures, pairs, names, classes, seed=seed)
        results[task] = {**common, "classes": class_set, **result}
    table = pairs.concepts
    results[f"retrieval_{label}"] = {
        **common,
        "n": len(pairs),
        **retrieval_result(
            pictures,
            pairs.concept,
            {language: np.asarray(values) for language, values in table.names.items()},
            names.by_language,
            seed=seed,
        ),
    }
    return results, answers
