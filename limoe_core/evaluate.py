"""python -m limoe_core.evaluate: what a run's model can do, zero-shot, in retrieval, and probed.

Pictures of the test splits are classified by the names of concepts, in each language of the data
set; see `limoe_core.evaluation.scoring` for what counts as right and
`limoe_core.evaluation.intervals` for the intervals. Other data sets are asked by their name,
whatever the run was trained on: `limoe_core.evaluation.known_sets`.
Everything is computed in float32, and results are stored in the run.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from limoe_core import command, places
from limoe_core.config import ConfigError, DataConfig
from limoe_core.evaluation.embedding import Progress, silent
from limoe_core.runs import Run, RunError


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
    from limoe_core.data.registry import asked, data_set
    from limoe_core.evaluation.embedding import in_float32
    from limoe_core.evaluation.known_sets import check_prepared
    from limoe_core.evaluation.splits import Asker
    from limoe_core.inference import load

    model = in_float32(load(arguments.run, arguments.step))
    assert model.run is not None
    places.name(arguments.data.dir, arguments.data.class_names)
    own = _data_config(model.config.data, arguments.data)
    _check_place(model.run, own)
    tasks = arguments.tasks or data_set(own).default_tasks
    named = {task: about for task in tasks if (about := asked(task)) is not None}
    for known, parts in named.values():  # before anything is computed
        check_prepared(known, _set_config(own, known.name), parts)
    side = stored_side(model.config.model.image_size)
    ask = Asker(model, own, side, arguments.seed, progress, bars=not arguments.json)
    results: dict[str, Any] = {}
    for task in tasks:
        if task in named:
            known, parts = named[task]
            found, answers = ask.known(known, _set_config(own, known.name), parts)
        elif task == "linear_probe":
            found, answers = ask.linear_probe()
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


def _data_config(config: DataConfig, override: DataOverride) -> DataConfig:
    chosen = _set_config(config, override.name or config.name)
    return replace(
        chosen,
        dir=override.dir or chosen.dir,
        config=override.config or chosen.config,
        class_names=override.class_names or chosen.class_names,
    )


def _check_place(run: Run, own: DataConfig) -> None:
    """Tell where the run's data lay, if it is missing and that place is not followed unasked."""
    from limoe_core.data.registry import data_set

    stored = run.unfollowed.get("data.dir")
    if stored is None or own.dir is not None:
        return
    chosen = data_set(own)
    if not chosen.is_ready(own) and not chosen.can_build:
        raise ConfigError(
            f"{chosen.missing(own)}; the run says that its data lay in {stored}, which you have "
            f"not named: if you trust it, add --data.dir {stored}"
        )


def _set_config(config: DataConfig, name: str) -> DataConfig:
    """Where a data set lies; what config one set has says nothing about another."""
    if name == config.name:
        return config
    return replace(config, name=name, config=DataConfig().config, class_names=None)


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
