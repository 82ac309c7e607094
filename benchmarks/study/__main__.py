"""`make study`: the runs of docs/study/plan.md that are missing, then its figures and its page."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from benchmarks.study import report, table
from benchmarks.study.arms import ARMS, RECIPE
from benchmarks.study.claims import Table
from benchmarks.study.one_run import TESTS, config_of, folder
from limoe_core.config import ConfigError
from limoe_core.devices.host import KEEPING_FREED_MEMORY
from limoe_core.files import from_json
from limoe_core.locks import AlreadyLockedError, locked

#: Held while a line is added.
_ADDING = threading.Lock()
#: Processes that make runs.
_AT_WORK: set[subprocess.Popen[bytes]] = set()


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
        return _refused(f"there is no arm {unknown[0]!r}; there are {', '.join(ARMS)}", 2)
    failed: list[tuple[str, int]] = []
    if not options.report:
        options.runs.mkdir(parents=True, exist_ok=True)
        try:
            with locked(options.runs / ".study", wait=False):
                check_data(table.read(), digests(options.data_dir))
                failed = run_missing(options)
        except AlreadyLockedError:
            return _refused(f"another `make study` is at work in {options.runs}", 2)
        except ConfigError as error:
            return _refused(str(error), 2)
        except OSError as error:
            where = error.filename or table.RESULTS
            return _refused(f"{where}: {error.strerror}; the same command goes on", 1)
        except KeyboardInterrupt:
            return _refused("stopped; the same command goes on", 130)
    report.write(table.read(), table.FOLDER)
    for arm, seed in failed:
        print(f"{arm} with seed {seed} failed; its log is beside its folder", file=sys.stderr)
    return 1 if failed else 0


def _refused(sentence: str, code: int) -> int:
    print(sentence, file=sys.stderr)
    return code


def digests(data_dir: str | None) -> dict[str, str]:
    """What the data set holds on this machine, by split.

    Raises:
      ConfigError: it is not there.
    """
    from limoe_core.data.source import load_pairs

    data = config_of(ARMS["limoe"], 0, data_dir, RECIPE).data
    splits = ("train", "validation", *TESTS)
    return {split: load_pairs(data, split, build=False, progress=False).digest for split in splits}


def check_data(found: Table, data: Mapping[str, str]) -> None:
    """Checks that runs to come are made of the data that those of the table were made of.

    Raises:
      ConfigError: they would not be, so that they could not be compared.
    """
    for (arm, seed), line in found.items():
        if other := [
            name for name, digest in line["data"]["digests"].items() if digest != data[name]
        ]:
            raise ConfigError(
                f"{arm} with seed {seed} was made of another {other[0]} ({line['data']['name']}) "
                "than is here: name the folder of that data with --data-dir, or begin anew "
                f"without {table.RESULTS.name}"
            )


def run_missing(options: Command) -> list[tuple[str, int]]:
    """Makes the missing runs, each in a process of its own; returns those that failed.

    If it is interrupted, or a line cannot be written, runs that are at work are stopped, of which
    the last checkpoint stays, and no other is begun.
    """
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
        try:
            for arm, seed in wanted:
                made[arm, seed] = pool.submit(make, arm, seed)
            return [run for run, done in made.items() if not done.result()]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in tuple(_AT_WORK):
                process.terminate()
            raise


def run_one(arm: str, seed: int, options: Command, core: int) -> bool:
    """Makes one run and adds its line; False if the process fails.

    Raises:
      OSError: the line cannot be added. The run is kept, and is only measured again.
    """
    place = folder(options.runs, arm, seed)
    with tempfile.TemporaryDirectory(prefix="study-") as temporary:
        out = Path(temporary) / "line.json"
        command = [sys.executable, "-m", "benchmarks.study.one_run", arm, str(seed)]
        command += ["--runs", str(options.runs), "--out", str(out), "--core", str(core)]
        if options.data_dir is not None:
            command += ["--data-dir", options.data_dir]
        print(f"{arm} with seed {seed} on core {core}", flush=True)
        with Path(f"{place}.log").open("a", encoding="utf-8") as log:
            settings = {**os.environ, **KEEPING_FREED_MEMORY}
            process = subprocess.Popen(command, stdout=log, stderr=log, env=settings)
        _AT_WORK.add(process)
        failed = process.wait()
        _AT_WORK.discard(process)
        if failed or not out.is_file():
            return False
        with _ADDING:
            table.add(from_json(out.read_bytes()))
    return True


if __name__ == "__main__":
    sys.exit(main())
