"""One run of the study, from its start or its last checkpoint to its outcomes, in one process.

python -m benchmarks.study.one_run limoe 0 --runs checkpoints/study --out line.json
"""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from benchmarks.study.arms import ARMS, Arm
from limoe_core.config import Config
from limoe_core.files import replacing, to_json


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
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    line = measured(ARMS[options.arm], options.seed, options.runs, options.data_dir)
    with replacing(options.out) as temporary:
        temporary.write_text(to_json(line), encoding="utf-8")
    return 0


def measured(arm: Arm, seed: int, runs: Path, data_dir: str | None = None) -> dict[str, Any]:
    """The run's line of the table: what it was, and its outcomes."""
    from benchmarks.study.outcomes import of_layers, of_training, zero_shot_accuracies
    from limoe_core.data.source import load_pairs
    from limoe_core.inference import load

    run = trained(arm, seed, runs, data_dir)
    model = load(run)
    style, concept = (
        load_pairs(run.config.data, split, progress=False)
        for split in ("test_style", "test_concept")
    )
    splits = {"test_style": (style, False), "test_concept": (concept, True)}
    config = replace(run.config, data=run.config.data.without_places())
    data = run.info["data"]
    return {
        "arm": arm.name,
        "seed": seed,
        "step": model.step,
        "parameters": run.info["parameters"],
        "training": of_training(run.metrics()),
        "zero_shot": zero_shot_accuracies(model, splits),
        "layers": of_layers(model, concept, run.config.train.seed),
        "data": {
            "name": data["name"],
            "digests": {split: about["digest"] for split, about in data["splits"].items()}
            | {pairs.split: pairs.digest for pairs in (style, concept)},
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
