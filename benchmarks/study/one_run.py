"""One run of the study, from its start or its last checkpoint to its outcomes, in one process.

python -m benchmarks.study.one_run limoe 0 --runs checkpoints/study --out line.json
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from benchmarks.study.arms import ARMS, RECIPE, Arm, middle, with_steps
from limoe_core.config import Config
from limoe_core.files import replacing, to_json

if TYPE_CHECKING:
    from limoe_core.inference import LoadedModel
    from limoe_core.runs import Run

#: Splits of the outcomes.
TESTS = ("test_style", "test_concept")
#: PR_SET_PDEATHSIG of Linux's prctl.
_DEATH_SIGNAL = 1


@dataclass(frozen=True)
class Options:
    """Train and measure one run."""

    arm: Annotated[str, tyro.conf.Positional]
    seed: Annotated[int, tyro.conf.Positional]
    runs: Path
    """Folder of the study's runs."""
    out: Path
    """File for what was measured, as JSON."""
    data_dir: str | None = None
    """TFDS data directory; by default the usual one."""
    core: int | None = None
    """Core of the CPU to stay on; all by default."""
    pilot: int = 0
    """Steps of a run that fixes the recipe: it is asked about `validation` alone."""


def folder(runs: Path, arm: str, seed: int) -> Path:
    """Where the run of an arm lies."""
    return runs / f"{arm}-{seed}"


def config_of(arm: Arm, seed: int, data_dir: str | None, recipe: Config = RECIPE) -> Config:
    """The arm's settings on this machine."""
    config = arm.config(seed, recipe)
    return replace(config, data=replace(config.data, dir=data_dir))


def main(arguments: list[str] | None = None) -> int:
    """Train, measure, and write what was measured. Returns the exit code."""
    options = tyro.cli(Options, args=arguments)
    _end_with_parent()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    line = measured(
        ARMS[options.arm],
        options.seed,
        options.runs,
        options.data_dir,
        recipe=with_steps(RECIPE, options.pilot) if options.pilot else RECIPE,
        splits=("validation",) if options.pilot else TESTS,
    )
    with replacing(options.out) as temporary:
        temporary.write_text(to_json(line), encoding="utf-8")
    return 0


def _end_with_parent() -> None:
    """Lets Linux end this process with the one that started it, however that ends.

    Else it would hold the run that the next `make study` goes on with.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGTERM)


def measured(
    arm: Arm,
    seed: int,
    runs: Path,
    data_dir: str | None = None,
    recipe: Config = RECIPE,
    splits: Sequence[str] = TESTS,
) -> dict[str, Any]:
    """The run's line of the table: what it was, and its outcomes.

    A run that diverged has those of its last checkpoint, or of its first parameters.

    Args:
      splits: to ask; experts are looked at on the last one.

    Raises:
      RunError: there is a run of other settings in its place, or it cannot be read.
    """
    from benchmarks.study.outcomes import of_layers, of_training, zero_shot_accuracies
    from limoe_core.data.source import load_pairs

    run, diverged = trained(arm, seed, runs, data_dir, recipe)
    model = model_of(run)
    asked = [load_pairs(run.config.data, split, progress=False) for split in splits]
    config = replace(run.config, data=run.config.data.without_places())
    data = run.info["data"]
    return {
        "arm": arm.name,
        "seed": seed,
        "step": model.step,
        "parameters": run.info["parameters"],
        "training": {**of_training(run.metrics()), "diverged": diverged},
        "zero_shot": zero_shot_accuracies(
            model, {pairs.split: (pairs, pairs.split != "test_style") for pairs in asked}
        ),
        "layers": of_layers(model, asked[-1], run.config.train.seed),
        "data": {
            "name": data["name"],
            "digests": {split: about["digest"] for split, about in data["splits"].items()}
            | {pairs.split: pairs.digest for pairs in asked},
        },
        "versions": run.info["versions"],
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "config": config.to_dict(),
    }


def trained(
    arm: Arm, seed: int, runs: Path, data_dir: str | None, recipe: Config = RECIPE
) -> tuple[Run, bool]:
    """The run, trained to its end, and whether it diverged before that.

    Raises:
      RunError: there is a run of other settings in its place.
    """
    from limoe_core.runs import Run, RunError
    from limoe_core.training.errors import DivergedError
    from limoe_core.training.loop import train
    from limoe_core.training.prepare import has_begun

    path = folder(runs, arm.name, seed)
    config = config_of(arm, seed, data_dir, recipe)
    try:
        begun = has_begun(Run.open(path))
    except RunError:
        begun = False
    if begun:
        check_settings(Run.open(path), config)
    origin = None
    if arm.start and not begun:
        origin = f"{folder(runs, arm.start, seed)}@{middle(recipe)}"
    try:
        return train(path, config, resume=begun, init_from=origin), False
    except DivergedError as error:
        print(error, file=sys.stderr)
        return Run.open(path), True


def check_settings(run: Run, config: Config) -> None:
    """Checks that a run that was begun has the arm's settings, wherever its data lies now.

    Raises:
      RunError: it has others, as those of a pilot or of an earlier recipe.
    """
    from limoe_core.runs import RunError
    from limoe_core.training.resume import changed

    own, asked = (replace(each, data=each.data.without_places()) for each in (run.config, config))
    if found := changed(own, asked):
        told = ", ".join(f"{name} {old} and not {new}" for name, (old, new) in found.items())
        raise RunError(
            f"{run.path} was begun with other settings ({told}); move it away, and it is made anew"
        )


def model_of(run: Run) -> LoadedModel:
    """The newest parameters of a run that are numbers, or its first ones if none were saved."""
    from limoe_core.inference import LoadedModel, load
    from limoe_core.model.functional import FunctionalModel, initial_params
    from limoe_core.runs import RunError

    for step in reversed(run.steps()):
        with suppress(RunError):
            return load(run, step)
    config = run.config
    first = initial_params(config, config.train.seed)
    return LoadedModel(config, FunctionalModel.of(config), first, run.tokenizer(), 0, run)


if __name__ == "__main__":
    sys.exit(main())
