"""Pairs to measure a run's model on, from the run itself or from its data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.arguments import check_count
from analysis.errors import AnalysisError

if TYPE_CHECKING:
    from limoe_core.config import DataConfig
    from limoe_core.runs.directory import Run

#: Pictures, their texts, and what else is known of each pair, by name.
Pairs = tuple[list[np.ndarray], list[str], dict[str, list[str]]]


def probe_pairs(run: Run) -> Pairs:
    """Pictures, texts and meta of a run's probe pairs, no concept or text twice.

    They are stored in the run itself, so the data set is not needed.

    Raises:
      AnalysisError: the run has no probes.
    """
    pictures, steps = run.probe_pictures(), run.probe_steps()
    if pictures is None or not steps:
        raise AnalysisError(f"{run.name} has no probe pairs to measure on")
    trace = run.probe(steps[-1])
    if len(pictures) != trace.num_pairs:
        raise AnalysisError(
            f"{run.name} keeps {len(pictures):,} pictures of {trace.num_pairs:,} probe pairs"
        )
    concepts = trace.meta.get("concept", trace.captions)
    seen: set[str] = set()
    chosen = []
    for pair, (concept, text) in enumerate(zip(concepts, trace.captions, strict=True)):
        if text and not {f"c:{concept}", f"t:{text}"} & seen:
            seen |= {f"c:{concept}", f"t:{text}"}
            chosen.append(pair)
    meta = {key: [str(values[pair]) for pair in chosen] for key, values in trace.meta.items()}
    return [pictures[i] for i in chosen], [str(trace.captions[i]) for i in chosen], meta


def with_pair(pairs: Pairs, picture: Any, text: str, concept: str | None = None) -> Pairs:
    """Pairs with one more, which comes first; those of its text or concept are left out.

    Args:
      pairs: as `probe_pairs` and `data_pairs` give them.
      picture: anything that `model.trace` takes.
      concept: of the picture, if it is known to be one of theirs.
    """
    images, texts, meta = pairs
    concepts = meta.get("concept", texts)
    kept = [
        place
        for place, (theirs, of) in enumerate(zip(texts, concepts, strict=True))
        if theirs != text and (concept is None or of != concept)
    ]
    own = {"concept": concept or ""}
    return (
        [picture, *(images[place] for place in kept)],
        [text, *(texts[place] for place in kept)],
        {name: [own.get(name, ""), *(of[place] for place in kept)] for name, of in meta.items()},
    )


def held_out_split(config: DataConfig) -> str:
    """The first split of a data set that training never sees; see `data_pairs`."""
    from limoe_core.data.registry import data_set

    return next(iter(data_set(config).unseen), "validation")


def data_pairs(
    run: Run,
    split: str | None = None,
    count: int = 256,
    seed: int = 0,
    *,
    every: bool = False,
) -> Pairs:
    """Pictures, texts and meta of pairs of the run's data set, no concept or text twice.

    The languages take turns.

    Args:
      split: by default the first split that training never sees. For emoji it is `test_style`:
        concepts that the model has learned, in drawings that it has not seen; the concepts of
        `test_concept` and `validation` are new to it.
      count: at most this many, from 1 on.
      every: take further pictures of a concept too, each with a text that no other has.

    Raises:
      AnalysisError: `count` is below 1.
      limoe_core.config.ConfigError: the data set is not on this machine; it is not built here.
    """
    check_count(count, "count")
    from limoe_core.data.source import load_pairs

    split = held_out_split(run.config.data) if split is None else split
    pairs = load_pairs(run.config.data, split, build=False, progress=False)
    table = pairs.concepts
    images: list[np.ndarray] = []
    texts: list[str] = []
    meta: dict[str, list[str]] = {
        name: [] for name in ("concept", "name", "category", "style", "language")
    }
    seen: set[int] = set()
    said: set[str] = set()
    for index in np.random.default_rng(seed).permutation(len(pairs)):
        concept = int(pairs.concept[index])
        if concept in seen and not every:
            continue
        languages = table.languages_of(concept)
        turn = len(texts) % len(languages)
        offered = [*languages[turn:], *languages[:turn]] if every else [languages[turn]]
        texts_by_language = {each: str(table.names[each][concept]) for each in offered}
        language = next(
            (each for each, text in texts_by_language.items() if text and text not in said), None
        )
        if language is None:
            continue
        text = texts_by_language[language]
        seen.add(concept)
        said.add(text)
        images.append(pairs.pictures[int(index)])
        texts.append(text)
        meta["concept"].append(str(table.keys[concept]))
        meta["name"].append(str(table.names[table.first_language][concept]))
        meta["category"].append(str(pairs.category[index]))
        meta["style"].append(str(pairs.style[index]))
        meta["language"].append(language)
        if len(texts) == count:
            break
    return images, texts, meta
