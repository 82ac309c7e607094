"""Zero-shot classification of pictures by the names of their concepts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Integer, Shaped

from limoe_core.evaluation.embedding import (
    Encoder,
    Progress,
    embed_ensemble,
    embed_names,
    silent,
)
from limoe_core.evaluation.familiarity import NAMED
from limoe_core.evaluation.scoring import accuracies, of_some, zero_shot, zero_shot_result
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
        cls,
        model: Encoder,
        table: ConceptTable,
        templates: Sequence[str],
        *,
        progress: Progress = silent,
    ) -> NameEmbeddings:
        """All names of a data set, and the first language's in the set's templates."""
        first = [str(name) for name in next(iter(table.names.values()))]
        by_language = embed_names(model, table, progress=progress)
        return cls(by_language, embed_ensemble(model, first, templates), tuple(templates))


def classify(
    pictures: Float[np.ndarray, "n d"],
    pairs: PairSet,
    names: NameEmbeddings,
    classes: Integer[np.ndarray, " C"] | None = None,
    *,
    seed: int = 0,
    independent: bool = False,
    strata: Shaped[np.ndarray, " c"] | None = None,
    familiarity: Shaped[np.ndarray, " c"] | None = None,
) -> tuple[dict[str, Any], Predictions]:
    """Zero-shot classification of a split's pictures by names in each language.

    A language is asked if every concept of the split has a name in it. Classes without one in it
    have their name in the first language.

    Args:
      pictures: `embed_pictures` of the split.
      classes: indices of the concepts to choose from; None for all of the data set.
      strata: of each concept of the table, to split results by; see `DataSet.strata`.
      familiarity: of each concept's name, to split results by, and to give them without those that
        training named; see `limoe_core.evaluation.familiarity`. Left out where it is one for all.
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
            table.names_in(language)[classes],
        )
        for language, embeddings in names.by_language.items()
        if language in pairs.languages
    }
    concepts = None if independent else pairs.concept
    nothing = np.zeros(0, np.str_)
    stratum = nothing if strata is None else strata[pairs.concept]
    known = nothing if familiarity is None else familiarity[pairs.concept]
    if len(np.unique(known)) < 2:
        known = nothing
    groups = {
        group: values
        for group, values in (
            ("categories", np.asarray(pairs.category)),
            ("styles", np.asarray(pairs.style)),
            ("strata", stratum),
            ("familiarity", known),
        )
        if np.any(values != "")
    }
    result = {
        "n": len(pairs),
        "concepts": len(np.unique(pairs.concept)),
        "ways": len(classes),
        **zero_shot_result(answers, concepts, groups, seed=seed),
    }
    if NAMED in known:
        others = known != NAMED
        result["not_named"] = of_some(answers, others, concepts, seed=seed) | {
            "concepts": len(np.unique(pairs.concept[others]))
        }
    language = result["headline_language"]
    if names.ensemble is not None:
        ensemble = zero_shot(
            pictures,
            pairs.concept,
            names.ensemble[classes],
            classes,
            table.names_in(language)[classes],
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
        names=np.asarray(table.names_in(language), dtype=np.str_),
        picture=np.arange(len(pairs), dtype=np.int32),
        concept=np.asarray(pairs.concept, np.int32),
        style=np.asarray(pairs.style, dtype=np.str_),
        category=np.asarray(pairs.category, dtype=np.str_),
        ranks=np.stack([answer.ranks for answer in answers.values()]).astype(np.int32),
        top=np.stack([answer.top for answer in answers.values()]).astype(np.int32),
        similarity=np.stack([a.similarity for a in answers.values()]).astype(np.float32),
        categories=np.asarray(table.category, dtype=np.str_),
        stratum=np.asarray(stratum, np.str_),
        familiarity=np.asarray(known, np.str_),
    )
    return result, predictions
