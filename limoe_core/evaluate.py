"""python -m limoe_core.evaluate: what a run's model can do, zero-shot, in retrieval, and probed.

Pictures of the test splits are classified by the names of concepts, in each language of the data
set; see `limoe_core.evaluation.scoring` for what counts as right and
`limoe_core.evaluation.intervals` for the intervals. Other data sets are asked by their name,
whatever the run was trained on: `limoe_core.evaluation.known_sets`.
Everything is computed in float32, and results are stored in the run.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from limoe_core import command
from limoe_core.config import ConfigError, DataConfig
from limoe_core.data.catalogue import KNOWN, asked
from limoe_core.evaluation.embedding import Progress, embed_ensemble, embed_names, silent
from limoe_core.evaluation.zero_shot import NameEmbeddings, classify, evaluate_split
from limoe_core.runs.files import RunError
from limoe_core.runs.predictions import Predictions

if TYPE_CHECKING:
    from limoe_core.inference import LoadedModel

__all__ = [
    "Arguments",
    "DataOverride",
    "NameEmbeddings",
    "classify",
    "embed_ensemble",
    "embed_names",
    "evaluate",
    "evaluate_split",
]

#: Splits of the emoji set that are evaluated, and the classes to choose from: all concepts of the
#: data set, or the split's own. Any other split is asked among all.
TASKS: Mapping[str, tuple[str, ...]] = {
    "test_style": ("all",),
    "test_concept": ("split", "all"),
    "validation": ("split", "all"),
}


@dataclass(frozen=True)
class DataOverride:
    """Another data set than the run was trained on, or the same in another place."""

    name: str | None = None
    """A TFDS data set that is prepared on disk; name its splits with --tasks."""
    dir: str | None = None
    """TFDS data directory."""
    config: str | None = None
    """Builder config, such as `base` or `full`."""
    class_names: str | None = None
    """File of readable class names, one a line, for a set whose labels are codes."""


@dataclass(frozen=True)
class Arguments:
    """What a run's model can do: zero-shot classification, retrieval and linear probes.

    Results are printed as tables or as JSON, and kept in the run for the dashboard.
    """

    run: Path
    """Run directory, such as checkpoints/my-run."""
    step: int | None = None
    """Step of the checkpoint; the newest by default."""
    tasks: Annotated[tuple[str, ...], tyro.conf.arg(aliases=("--splits",))] = ()
    """Splits of the run's data set; other sets by name (imagenet2012, cifar100, oxford_iiit_pet,
    coco_captions), or one part of what is asked of them, such as zero_shot_cifar100,
    linear_probe_cifar100 or retrieval_coco_captions; or linear_probe, for a ten-shot linear probe
    of the run's own classes (the categories of emoji). By default the test splits of the run's
    data set."""
    data: DataOverride = field(default_factory=DataOverride)
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print one JSON object instead of tables; the progress goes to stderr."""
    store: bool = True
    """Keep the results in the run (evaluations.json and predictions/)."""
    seed: int = 0
    """Of the bootstrap."""


HELP = command.Help(
    "limoe_core.evaluate",
    """
    # the test splits of the run's data
    {program} --run checkpoints/my-run
    # one split, at one step
    {program} --run checkpoints/my-run --tasks test_style --step 2000
    # a ten-shot linear probe of the run's classes
    {program} --run checkpoints/my-run --tasks linear_probe
    # other data sets, prepared on disk
    {program} --run checkpoints/coco --tasks imagenet2012 cifar100
    # leave the run as it is
    {program} --run checkpoints/my-run --json --no-store > results.json
    """,
)


def evaluate(arguments: Arguments, progress: Progress = silent) -> dict[str, Any]:
    """Evaluate a run and store the results in it.

    Returns: `{"run", "step", "data", "parameters", "results": {task: result}}`.

    Raises:
      RunError: if the run cannot be used.
      ConfigError: if a split or the data set cannot.
    """
    from limoe_core.data.pairs import stored_side
    from limoe_core.inference import load

    model = in_float32(load(arguments.run, arguments.step))
    assert model.run is not None
    own = _data_config(model.config.data, arguments.data)
    tasks = arguments.tasks or default_tasks(own.name)
    known = {task: about for task in tasks if (about := asked(task)) is not None}
    sets = {name: _set_config(own, name) for name, _ in known.values()}
    if known:
        from limoe_core.evaluation.known_sets import check_prepared

        for name, parts in known.values():
            check_prepared(sets[name], parts)
    side = stored_side(model.config.model.image_size)
    ask = _Asker(model, own, side, arguments.seed, progress, bars=not arguments.json)
    results: dict[str, Any] = {}
    for task in tasks:
        if task in known:
            name, parts = known[task]
            found, answers = ask.known(sets[name], parts)
        elif task == "linear_probe":
            found, answers = ask.linear_probe(), {}
        else:
            found, answers = ask.split(task)
        results |= found
        if arguments.store:
            for label, result in found.items():
                model.run.store_evaluation(label, model.step, {"step": model.step, **result})
            for label, predictions in answers.items():
                predictions.save(model.run.path, label, model.step)
    return {
        "run": model.run.name,
        "step": model.step,
        "data": next(iter(results.values()))["data"] if results else None,
        "parameters": model.run.info.get("parameters"),
        "results": results,
    }


def default_tasks(data: str) -> tuple[str, ...]:
    """What is asked of a run if nothing is said, by the data set that it was trained on."""
    if data == "emoji":
        return tuple(TASKS)
    return (data,) if data in KNOWN else ("validation",)


_Found = tuple[dict[str, dict[str, Any]], dict[str, Predictions]]


@dataclass
class _Asker:
    """Asks one model for one task after another."""

    model: LoadedModel
    data: DataConfig
    side: int
    seed: int
    progress: Progress
    bars: bool
    _names: NameEmbeddings | None = None
    _keys: list[str] = field(default_factory=list)

    def known(self, data: DataConfig, parts: Sequence[Any]) -> _Found:
        """A data set known by its name."""
        from limoe_core.evaluation.known_sets import evaluate_known

        return evaluate_known(self.model, data, parts, **self._common())

    def linear_probe(self) -> dict[str, dict[str, Any]]:
        """The run's own classes."""
        from limoe_core.evaluation.known_sets import evaluate_linear_probe

        found = evaluate_linear_probe(self.model, self.data, **self._common())
        own = self.data.name == self._trained.name
        label = "linear_probe" if own else f"linear_probe_{self.data.name}"
        return {_safe(label): found}

    def split(self, split: str) -> _Found:
        """A split of the run's data set, or of the one given in its place."""
        from limoe_core.data.source import load_pairs

        pairs = load_pairs(self.data, split, progress=self.bars, side=self.side)
        keys = pairs.concepts.keys.tolist()
        if self._names is None or self._keys != keys:  # Mostly, every split has the same concepts.
            self._keys = keys
            self._names = NameEmbeddings.of(
                self.model, pairs.concepts, self.data.name, progress=self.progress
            )
        return evaluate_split(
            self.model,
            pairs,
            self._names,
            TASKS.get(split, ("all",)),
            label=_label(self._trained, self.data, split),
            seed=self.seed,
            progress=self.progress,
        )

    @property
    def _trained(self) -> DataConfig:
        return self.model.config.data

    def _common(self) -> dict[str, Any]:
        return {
            "side": self.side,
            "seed": self.seed,
            "progress": self.progress,
            "bars": self.bars,
        }


def in_float32(model: LoadedModel) -> LoadedModel:
    """The same model computing in float32, whatever it was trained in."""
    from limoe_core.model.functional import FunctionalModel

    if model.config.model.dtype == "float32":
        return model
    config = replace(model.config, model=replace(model.config.model, dtype="float32"))
    return replace(model, config=config, functional=FunctionalModel.of(config))


def _data_config(config: DataConfig, override: DataOverride) -> DataConfig:
    chosen = _set_config(config, override.name or config.name)
    return replace(
        chosen,
        dir=override.dir or chosen.dir,
        config=override.config or chosen.config,
        class_names=override.class_names or chosen.class_names,
    )


def _set_config(config: DataConfig, name: str) -> DataConfig:
    """Where a data set lies; what config one set has says nothing about another."""
    if name == config.name:
        return config
    return replace(config, name=name, config=DataConfig().config, class_names=None)


def _label(trained: DataConfig, data: DataConfig, split: str) -> str:
    """Name of a split in task names, with the data set's where it is not the run's own."""
    return _safe(split if data.name == trained.name else f"{data.name}_{split}")


def _safe(label: str) -> str:
    """A task's name as it can be part of a file's."""
    return re.sub(r"[^A-Za-z0-9_]+", "_", label)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    from rich.console import Console

    from limoe_core.evaluation.table import tables

    arguments = command.parse(Arguments, list(argv) if argv is not None else None, HELP)
    errors = Console(stderr=True)
    try:
        report = evaluate(arguments, _bar(errors))
    except (RunError, ConfigError) as error:
        errors.print(str(error), style="red", markup=False, highlight=False)
        return 2
    if arguments.json:
        from limoe_core.runs.files import to_json

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
