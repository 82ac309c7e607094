"""python -m limoe_core.evaluate: what a run's model can do, zero-shot, in retrieval, and probed.

Pictures of the test splits are classified by the names of concepts, in each language of the data
set, beside what guessing and the nearest labelled picture give; see
`limoe_core.evaluation.scoring` for what counts as right and `limoe_core.evaluation.intervals` for
the intervals. Other data sets are asked by their name, whatever the run was trained on:
`limoe_core.evaluation.known_sets`. What the experts do is measured if asked for:
`limoe_core.evaluation.experts`.
Everything is computed in float32. Results are printed, and then stored in the run. None replaces
another that was made with other data or settings, or in a run that ships, unless that is asked for.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from limoe_core import command, places
from limoe_core.config import ConfigError, DataConfig
from limoe_core.evaluation.embedding import Progress, silent
from limoe_core.runs import RunError

if TYPE_CHECKING:
    from limoe_core.runs import Predictions
    from limoe_core.runs.experts import ExpertRecord


@dataclass(frozen=True)
class DataOverride:
    """Another data set than the run was trained on, or the same in another place."""

    name: str | None = None
    """A TFDS data set that is prepared on disk; name its splits with --tasks."""
    dir: str | None = None
    """TFDS data directory."""
    path: str | None = None
    """Your own pairs, as for training: others, or the run's own in another place than before."""
    image_column: str | None = None
    """Column of your own pairs with names of files or bytes of pictures."""
    text_column: str | None = None
    """Column of your own pairs with texts."""
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
    experts: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Measure the experts on 1,024 pairs of the run's splits, with a router's baselines and the
    loss without each expert, for the dashboard; alone, no other task is asked."""
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print one JSON object instead of tables; the progress goes to stderr."""
    store: bool = True
    """Keep the results in the run (evaluations.json and predictions/)."""
    replace: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Replace results of other data or settings as well, and those of a run that ships."""
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
    # what the experts do, on 1,024 pairs of the run's splits; minutes
    {program} --run checkpoints/my-run --experts
    # the same again, in a run that ships with its results
    {program} --run checkpoints/limoe-emoji --replace
    # your own pairs, or those of the run where they lie now
    {program} --run checkpoints/my-run --data.path pictures/
    # leave the run as it is
    {program} --run checkpoints/my-run --json --no-store > results.json
    """,
)


class Evaluation:
    """The evaluation of one run: its tasks one after another, then what is stored of them."""

    def __init__(self, arguments: Arguments, progress: Progress = silent) -> None:
        """Opens the run, and looks whether what is asked for can be read.

        Raises:
          RunError: the run cannot be used.
          ConfigError: a data set is missing.
        """
        from limoe_core.data.identity import data_of
        from limoe_core.data.pairs import stored_side
        from limoe_core.data.registry import asked
        from limoe_core.data.source import check_place, make_ready
        from limoe_core.evaluation.embedding import in_float32
        from limoe_core.evaluation.known_sets import check_prepared
        from limoe_core.evaluation.splits import Asker
        from limoe_core.inference import load

        asked_for = arguments.data
        places.name(asked_for.dir, asked_for.path, asked_for.class_names)
        self.model = in_float32(load(arguments.run, arguments.step))
        assert self.model.run is not None
        self.run = self.model.run
        self.results: dict[str, Any] = {}
        self.experts: ExpertRecord | None = None
        self._answers: dict[str, Predictions] = {}
        self._arguments = arguments
        self._data = _data_config(data_of(self.run), arguments.data)
        check_place(self.run, self._data)
        bars = not arguments.json
        if arguments.experts and not self.model.config.model.experts:
            raise ConfigError(f"{self.run.name} is a dense twin: it has no experts to measure")
        # What its splits are is known once it is there.
        self._tasks = arguments.tasks
        if not (arguments.tasks or arguments.experts):
            self._tasks = make_ready(self._data, progress=bars).default_tasks
        self._known = {task: about for task in self._tasks if (about := asked(task)) is not None}
        for known, parts in self._known.values():  # before anything is computed
            check_prepared(known, _set_config(self._data, known.name), parts)
        self._side = stored_side(self.model.config.model.image_size)
        self._ask = Asker(
            self.model, self.run, self._data, self._side, arguments.seed, progress, bars
        )
        if arguments.experts or len(self._known) < len(self._tasks):
            self._ask.compare()
        if arguments.experts and self._ask.set_name:
            raise ConfigError(
                f"experts are measured on the splits that {self.run.name} was trained without, and "
                f"this is not its data set: {' '.join(self._ask.notes) or self._ask.set_name}"
            )

    @property
    def notes(self) -> list[str]:
        """What whoever asked should know of the data, in sentences."""
        return self._ask.notes

    def ask(self) -> None:
        """Asks all tasks; `results` has those that are done, even if one of them fails.

        Raises:
          ConfigError: a split or the data set cannot be used.
        """
        for task in self._tasks:
            if task in self._known:
                known, parts = self._known[task]
                found, answers = self._ask.known(known, _set_config(self._data, known.name), parts)
            elif task == "linear_probe":
                found, answers = self._ask.linear_probe()
            else:
                found, answers = self._ask.split(task)
            self.results |= found
            self._answers |= answers
        if self._arguments.experts:
            self.experts = self._ask.experts()

    def report(self) -> dict[str, Any]:
        """`{"run", "step", "data", "parameters", "results": {task: result}}`.

        And `"experts"` if they were measured: see `ExpertRecord.summary`.
        """
        results = self.results
        report = {
            "run": self.run.name,
            "step": self.model.step,
            "data": next(iter(results.values()))["data"] if results else None,
            "parameters": self.run.info.get("parameters"),
            "results": results,
        }
        return report | ({"experts": self.experts.summary} if self.experts is not None else {})

    def store(self) -> list[str]:
        """Stores the results in the run; returns what was not stored and why, in sentences."""
        from limoe_core.evaluation.storing import store, store_experts

        if not self._arguments.store:
            return []
        replace = self._arguments.replace
        told = store(self.run, self.model.step, self.results, self._answers, replace=replace)
        if self.experts is not None:
            told += store_experts(self.run, self.experts, replace=replace)
        self._keep_examples()  # last, as what fails here must not cost what was asked
        return told

    def _keep_examples(self) -> None:
        """Pictures of splits that training never saw, once it is sure that it did not."""
        from limoe_core.evaluation.examples import keep_examples

        if len(self._known) < len(self._tasks) and not self._ask.set_name:
            with suppress(ConfigError, OSError):  # what was asked for does not depend on it
                keep_examples(self.run, self._data, self._side)


def evaluate(arguments: Arguments, progress: Progress = silent) -> dict[str, Any]:
    """Evaluate a run and store the results in it; what cannot be stored is a warning.

    Returns: `{"run", "step", "data", "parameters", "results": {task: result}}`.

    Raises:
      RunError: if the run cannot be used.
      ConfigError: if a split or the data set cannot.
    """
    evaluation = Evaluation(arguments, progress)
    for sentence in (known := list(evaluation.notes)):
        warnings.warn(sentence, stacklevel=2)
    try:
        evaluation.ask()
    finally:
        for sentence in (*evaluation.notes[len(known) :], *evaluation.store()):
            warnings.warn(sentence, stacklevel=2)
    return evaluation.report()


def _data_config(config: DataConfig, override: DataOverride) -> DataConfig:
    from limoe_core.data.source import resolved

    name = DataConfig().name if override.path is not None else config.name
    chosen = _set_config(config, override.name or name)
    return resolved(
        replace(
            chosen,
            dir=override.dir or chosen.dir,
            config=override.config or chosen.config,
            path=override.path or chosen.path,
            image_column=override.image_column or chosen.image_column,
            text_column=override.text_column or chosen.text_column,
            class_names=override.class_names or chosen.class_names,
        )
    )


def _set_config(config: DataConfig, name: str) -> DataConfig:
    """Where a data set lies; what one set has says nothing about another."""
    if name == config.name:
        return config
    own = DataConfig(name=name)
    return replace(
        config,
        name=name,
        config=own.config,
        path=own.path,
        image_column=own.image_column,
        text_column=own.text_column,
        class_names=own.class_names,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    from rich.console import Console

    arguments = command.parse(Arguments, list(argv) if argv is not None else None, HELP)
    errors = Console(stderr=True)

    def say(sentence: str, style: str) -> None:
        errors.print(sentence, style=style, markup=False, highlight=False)

    try:
        evaluation = Evaluation(arguments, _bar(errors))
    except (RunError, ConfigError) as error:
        say(str(error), "red")
        return 2
    for sentence in (known := list(evaluation.notes)):
        say(f"note: {sentence}", "yellow")
    status = 0
    try:
        evaluation.ask()
    except (RunError, ConfigError) as error:
        say(str(error), "red")
        status = 2
    finally:  # whatever is done is told before it is stored, and both even if the rest fails
        try:
            if evaluation.results or evaluation.experts is not None or not status:
                _print(evaluation.report(), as_json=arguments.json)
            for sentence in evaluation.notes[len(known) :]:
                say(f"note: {sentence}", "yellow")
        finally:  # results that cannot be shown, as when stdout is closed, must not be asked again
            for sentence in evaluation.store():
                say(f"warning: {sentence}", "yellow")
    return status


def _print(report: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        from limoe_core.files import to_json

        sys.stdout.write(to_json(report) + "\n")
    else:
        from rich.console import Console

        from limoe_core.evaluation.table import tables

        for table in tables(report):
            Console().print(table)
    sys.stdout.flush()


def _bar(console: Any) -> Progress:
    """A `Progress` that draws a bar on stderr, so that stdout holds results alone."""
    from rich.progress import track

    def shown(label: str, items: Sequence[Any]) -> Iterator[Any]:
        return iter(track(items, description=label, console=console))

    return shown


if __name__ == "__main__":
    sys.exit(main())
