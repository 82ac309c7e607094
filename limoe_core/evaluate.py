"""python -m limoe_core.evaluate: what a run's model can do, zero-shot and in retrieval.

Pictures of the test splits are classified by the names of concepts, in each language of the data
set; see `limoe_core.scoring` for what counts as right and `limoe_core.metrics` for the intervals.
Everything is computed in float32, and results are stored in the run.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import numpy as np
import tyro
from jaxtyping import Float, Integer

from limoe_core.config import ConfigError, DataConfig
from limoe_core.files import RunError
from limoe_core.predictions import Predictions
from limoe_core.scoring import accuracies, retrieval_result, zero_shot, zero_shot_result

if TYPE_CHECKING:
    from limoe_core.data.source import ConceptTable, PairSet
    from limoe_core.inference import LoadedModel

#: What a class name is put into for the English prompt ensemble; the first is the plain name.
TEMPLATES = ("{}", "a picture of {}", "an emoji of {}", "a drawing of {}", "{} icon")

#: Splits of the emoji set that are evaluated, and the classes to choose from: all concepts of the
#: data set, or the split's own. Any other split is asked among all.
TASKS: Mapping[str, tuple[str, ...]] = {
    "test_style": ("all",),
    "test_concept": ("split", "all"),
    "validation": ("split", "all"),
}


class Encoder(Protocol):
    """What is needed of a model; `limoe_core.LoadedModel` has it."""

    def encode_images(self, images: Sequence[Any], /) -> Float[np.ndarray, "n d"]:
        """Unit vectors of uint8 pictures."""
        ...

    def encode_texts(self, texts: Sequence[str], /) -> Float[np.ndarray, "n d"]:
        """Unit vectors of texts."""
        ...


Progress = Callable[[str, Sequence[Any]], Iterator[Any]]
"""Goes through a sequence while it shows what is being done."""


def silent(label: str, items: Sequence[Any]) -> Iterator[Any]:
    """A `Progress` that shows nothing."""
    return iter(items)


# ---- embeddings


def embed_pictures(
    model: Encoder, pairs: PairSet, *, batch: int = 256, progress: Progress = silent
) -> Float[np.ndarray, "n d"]:
    """Embeddings of every picture of a split, in its order."""
    starts = range(0, len(pairs), batch)
    found = [
        model.encode_images(list(pairs.pictures.batch(np.arange(i, min(i + batch, len(pairs))))))
        for i in progress(f"pictures of {pairs.split}", starts)
    ]
    return np.concatenate(found).astype(np.float32)


def embed_names(
    model: Encoder, table: ConceptTable, *, progress: Progress = silent
) -> dict[str, Float[np.ndarray, "C d"]]:
    """Embeddings of every concept's official name, by language."""
    languages = list(table.names)
    return {
        language: model.encode_texts([str(name) for name in table.names[language]])
        for language in progress("names", languages)
    }


def embed_ensemble(
    model: Encoder, names: Sequence[str], templates: Sequence[str] = TEMPLATES
) -> Float[np.ndarray, "C d"]:
    """Unit vectors of the mean embedding of each name in all templates."""
    total = sum(
        model.encode_texts([template.format(name) for name in names]) for template in templates
    )
    return total / np.linalg.norm(total, axis=1, keepdims=True).clip(1e-12)


# ---- tasks


@dataclass(frozen=True)
class NameEmbeddings:
    """Class texts of one data set, embedded once and used by every task."""

    by_language: dict[str, Float[np.ndarray, "C d"]]
    ensemble: Float[np.ndarray, "C d"] | None = None
    """English names in all `TEMPLATES`; None to leave the ensemble out."""


def classify(
    pictures: Float[np.ndarray, "n d"],
    pairs: PairSet,
    names: NameEmbeddings,
    classes: Integer[np.ndarray, " C"] | None = None,
    *,
    seed: int = 0,
) -> tuple[dict[str, Any], Predictions]:
    """Zero-shot classification of a split's pictures by names in each language.

    Args:
      pictures: `embed_pictures` of the split.
      classes: indices of the concepts to choose from; None for all of the data set.
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
    groups = {
        group: values
        for group, values in (("categories", pairs.category), ("styles", pairs.style))
        if np.any(np.asarray(values) != "")
    }
    result = {
        "n": len(pairs),
        "concepts": len(np.unique(pairs.concept)),
        "ways": len(classes),
        **zero_shot_result(answers, pairs.concept, groups, seed=seed),
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
            "templates": list(TEMPLATES),
            **accuracies(ensemble.ranks, pairs.concept, seed=seed),
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
    pictures = embed_pictures(model, pairs, progress=progress)
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


# ---- command line


@dataclass(frozen=True)
class DataOverride:
    """Another data set than the run was trained on, or the same in another place."""

    name: str | None = None
    """A TFDS data set that is prepared on disk; name its splits with --splits."""
    dir: str | None = None
    """TFDS data directory."""
    config: str | None = None
    """Builder config, such as `base` or `full`."""


@dataclass(frozen=True)
class Arguments:
    """Zero-shot classification and retrieval of a run, on the test splits of its data set.

    Results are printed as tables or as JSON, and kept in the run for the dashboard.
    """

    run: Path
    """Run directory, such as checkpoints/my-run."""
    step: int | None = None
    """Step of the checkpoint; the newest by default."""
    splits: tuple[str, ...] = tuple(TASKS)
    """Splits to evaluate. Those of the emoji set by default."""
    data: DataOverride = field(default_factory=DataOverride)
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print one JSON object instead of tables; the progress goes to stderr."""
    store: bool = True
    """Keep the results in the run (evaluations.json and predictions/)."""
    seed: int = 0
    """Of the bootstrap."""


def evaluate(arguments: Arguments, progress: Progress = silent) -> dict[str, Any]:
    """Evaluate a run and store the results in it.

    Returns: `{"run", "step", "data", "parameters", "results": {task: result}}`.

    Raises:
      RunError: if the run cannot be used.
      ConfigError: if a split or the data set cannot.
    """
    from limoe_core.data.source import load_pairs
    from limoe_core.inference import load

    model = in_float32(load(arguments.run, arguments.step))
    assert model.run is not None
    data = _data_config(model.config.data, arguments.data)
    names: NameEmbeddings | None = None
    results: dict[str, Any] = {}
    for split in arguments.splits:
        pairs = load_pairs(data, split, progress=not arguments.json)
        if names is None:
            table = pairs.concepts
            english = [str(name) for name in next(iter(table.names.values()))]
            names = NameEmbeddings(
                embed_names(model, table, progress=progress), embed_ensemble(model, english)
            )
        found, answers = evaluate_split(
            model,
            pairs,
            names,
            TASKS.get(split, ("all",)),
            label=_label(model.config.data, data, split),
            seed=arguments.seed,
            progress=progress,
        )
        results |= found
        if arguments.store:
            for task, result in found.items():
                model.run.store_evaluation(task, model.step, {"step": model.step, **result})
            for task, predictions in answers.items():
                predictions.save(model.run.path, task, model.step)
    return {
        "run": model.run.name,
        "step": model.step,
        "data": next(iter(results.values()))["data"] if results else None,
        "parameters": model.run.info.get("parameters"),
        "results": results,
    }


def in_float32(model: LoadedModel) -> LoadedModel:
    """The same model computing in float32, whatever it was trained in."""
    from limoe_core.functional import FunctionalModel

    if model.config.model.dtype == "float32":
        return model
    config = replace(model.config, model=replace(model.config.model, dtype="float32"))
    return replace(model, config=config, functional=FunctionalModel.of(config))


def _data_config(config: DataConfig, override: DataOverride) -> DataConfig:
    name = override.name or config.name
    # What config a set has says nothing about another set.
    same = DataConfig().config if name != config.name else config.config
    return replace(
        config, name=name, dir=override.dir or config.dir, config=override.config or same
    )


def _label(trained: DataConfig, data: DataConfig, split: str) -> str:
    """Name of a split in task names, with the data set's where it is not the run's own."""
    label = split if data.name == trained.name else f"{data.name}_{split}"
    return re.sub(r"[^A-Za-z0-9_]+", "_", label)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    from rich.console import Console

    from limoe_core.evaluation_table import tables

    arguments = tyro.cli(Arguments, args=argv, prog="python -m limoe_core.evaluate")
    errors = Console(stderr=True)
    try:
        report = evaluate(arguments, _bar(errors))
    except (RunError, ConfigError) as error:
        errors.print(str(error), style="red", markup=False, highlight=False)
        return 2
    if arguments.json:
        from limoe_core.files import to_json

        sys.stdout.write(to_json(report) + "\n")
    else:
        console = Console()
        for table in tables(report):
            console.print(table)
    return 0


def _bar(console: Any) -> Progress:
    """A `Progress` that draws a bar on stderr, so that stdout holds results alone."""
    from rich.progress import track

    def shown(label: str, items: Sequence[Any]) -> Iterator[Any]:
        return iter(track(items, description=label, console=console))

    return shown


if __name__ == "__main__":
    sys.exit(main())
