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
from typing import Annotated, Any

import tyro

from benchmarks.study import arms
from benchmarks.study.arms import ARMS, RECIPE, Arm
from limoe_core.config import Config
from limoe_core.files import replacing, to_json

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


def config_of(arm: Arm, seed: int, data_dir: str | None) -> Config:
    """The arm's settings on this machine."""
    config = arm.config(seed)
    return replace(config, data=replace(config.data, dir=data_dir))


def main(arguments: list[str] | None = None) -> int:
    """Train, measure, and write what was measured. Returns the exit code."""
    options = tyro.cli(Options, args=arguments)
    _end_with_parent()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    if options.pilot:
        arms.STEPS = options.pilot
        arms.RECIPE = replace(RECIPE, train=replace(RECIPE.train, steps=options.pilot))
    line = measured(
        ARMS[options.arm],
        options.seed,
        options.runs,
        options.data_dir,
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
    splits: Sequence[str] = TESTS,
) -> dict[str, Any]:
    """The run's line of the table: what it was, and its outcomes.

    Args:
      splits: to ask; experts are looked at on the last one.
    """
    from benchmarks.study.outcomes import of_layers, of_training, zero_shot_accuracies
    from limoe_core.data.source import load_pairs
    from limoe_core.inference import load

    run = trained(arm, seed, runs, data_dir)
    model = load(run)
    asked = [load_pairs(run.config.data, split, progress=False) for split in splits]
    config = replace(run.config, data=run.config.data.without_places())
    data = run.info["data"]
    return {
        "arm": arm.name,
        "seed": seed,
        "step": model.step,
        "parameters": run.info["parameters"],
        "training": of_training(run.metrics()),
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


def trained(arm: Arm, seed: int, runs: Path, data_dir: str | None) -> Any:
    """The run, trained to its end."""
    from limoe_core.runs import Run, RunError
    from limoe_core.training.loop import train
    from limoe_core.training.prepare import has_begun

    path = folder(runs, arm.name, seed)
    config = config_of(arm, seed, data_dir)
    origin = None
    if arm.start:
        first = ARMS[arm.start].config(seed)
        origin = f"{folder(runs, arm.start, seed)}@{first.train.steps // 2}"
    try:
        begun = has_begun(Run.open(path))
    except RunError:
        begun = False
    if begun:
        return train(path, Run.open(path).config, resume=True)
    return train(path, config, init_from=origin)


if __name__ == "__main__":
    sys.exit(main())
