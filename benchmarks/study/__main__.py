"""`make study`: the runs of docs/study/plan.md that are missing, then its figures and its page."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from benchmarks.study import report, table
from benchmarks.study.arms import ARMS
from benchmarks.study.one_run import folder
from limoe_core.devices.host import KEEPING_FREED_MEMORY
from limoe_core.files import from_json

#: Held while a line is added.
_ADDING = threading.Lock()


@dataclass(frozen=True)
class Command:
    """Make the runs that are missing and write docs/study. It may be stopped and goes on."""

    arms: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Arms to run; all by default."""
    seeds: int = 5
    """Runs of each arm."""
    runs: Path = Path("checkpoints/study")
    """Folder for the runs, some 10 MB each. It is needed to go on, and not afterwards."""
    data_dir: str | None = None
    """TFDS data directory; by default the usual one."""
    jobs: int = 0
    """Runs at a time, each on a core of its own; 0 for as many as there are cores."""
    report: bool = False
    """Write figures and page from the table as it is, and run nothing."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    options = tyro.cli(Command, args=arguments, prog="python -m benchmarks.study")
    if unknown := sorted(set(options.arms) - set(ARMS)):
        print(f"there is no arm {unknown[0]!r}; there are {', '.join(ARMS)}", file=sys.stderr)
        return 2
    failed = [] if options.report else run_missing(options)
    report.write(table.read(), table.FOLDER)
    for arm, seed in failed:
        print(f"{arm} with seed {seed} failed; its log is beside its folder", file=sys.stderr)
    return 1 if failed else 0


def run_missing(options: Command) -> list[tuple[str, int]]:
    """Makes the missing runs, each in a process of its own; returns those that failed."""
    wanted = table.missing(table.read(), options.arms or ARMS, options.seeds)
    cores = sorted(os.sched_getaffinity(0))[: options.jobs or None]
    free: queue.SimpleQueue[int] = queue.SimpleQueue()
    for core in cores:
        free.put(core)
    made: dict[tuple[str, int], Future[bool]] = {}

    def make(arm: str, seed: int) -> bool:
        # The run that this one starts from was begun earlier, so waiting for it blocks nothing.
        before = made.get((ARMS[arm].start, seed))
        if before is not None and not before.result():
            return False
        core = free.get()
        try:
            return run_one(arm, seed, options, core)
        finally:
            free.put(core)

    with ThreadPoolExecutor(len(cores)) as pool:
        for arm, seed in wanted:
            made[arm, seed] = pool.submit(make, arm, seed)
    return [run for run, done in made.items() if not done.result()]


def run_one(arm: str, seed: int, options: Command, core: int) -> bool:
    """Makes one run and adds its line; False if the process fails."""
    place = folder(options.runs, arm, seed)
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="study-") as temporary:
        out = Path(temporary) / "line.json"
        command = [sys.executable, "-m", "benchmarks.study.one_run", arm, str(seed)]
        command += ["--runs", str(options.runs), "--out", str(out), "--core", str(core)]
        if options.data_dir is not None:
            command += ["--data-dir", options.data_dir]
        print(f"{arm} with seed {seed} on core {core}", flush=True)
        with Path(f"{place}.log").open("a", encoding="utf-8") as log:
            settings = {**os.environ, **KEEPING_FREED_MEMORY}
            done = subprocess.run(command, stdout=log, stderr=log, env=settings, check=False)
        if done.returncode or not out.is_file():
            return False
        with _ADDING:
            table.add(from_json(out.read_bytes()))
    return True


if __name__ == "__main__":
    sys.exit(main())
