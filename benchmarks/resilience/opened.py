"""Hostile runs opened on every page, with a good run beside them that must answer throughout.

What a hostile run gets is a page or a sentence: no exception, no hang, nothing from outside of the
folder of runs, and no error that the server did not expect.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from tqdm import tqdm

from benchmarks.resilience.client import Client, Trouble
from benchmarks.resilience.hostile import SECRET, Case, hostile_runs
from benchmarks.resilience.memory import resident_mib
from benchmarks.resilience.record import Record
from benchmarks.resilience.server import Server, dashboard

View = tuple[str, dict[str, str]]

#: Pages as they open.
PAGES: tuple[View, ...] = (("", {}), ("experts", {}), ("emergence", {}), ("zero-shot", {}))
#: Further views that read a part of a run, by the beginning of the part's name.
FURTHER: dict[str, tuple[View, ...]] = {
    "probe": (
        ("experts", {"view": "closely"}),
        ("experts", {"view": "preferences"}),
        ("experts", {"view": "paths"}),
        ("experts", {"view": "sceptic", "check": "asked"}),
    ),
    "pictures": (("experts", {"view": "closely"}),),
    "causal": (("experts", {"view": "causal"}),),
    "evaluations": (("zero-shot", {"show": "accuracy"}),),
    "predictions": (("zero-shot", {"show": "confusions"}),),
    "param": (("zero-shot", {"show": "search"}),),
}
#: Name of the good run.
GOOD = "good"
#: Seconds in which the good run must answer while others are opened; MiB that the server may grow
#: by in all.
MOST_SECONDS, MOST_MEMORY = 30.0, 3000.0


@dataclass
class Watch:
    """What the reader of the good run met."""

    seconds: list[float] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)


def run(source: Path, chosen: Callable[[str], bool] = lambda name: True) -> list[Record]:
    """Open every case on every page.

    Args:
      source: a good run, with everything that a run may have; it is not changed.
      chosen: whether to open the case of a name; all by default.
    """
    with tempfile.TemporaryDirectory(prefix="hostile-") as name:
        folder = Path(name) / "runs"
        shutil.copytree(source, folder / GOOD)
        cases = hostile_runs(folder / GOOD, folder, chosen)
        with dashboard(folder, Path(name) / "log.txt") as server:
            failures, outcomes, watch, grown = attack(server, cases)
            complaints = server.complaints()
        _open_again(folder)
    failures += [f"the good run: {trouble}" for trouble in watch.troubles]
    failures += [f"the server's log: {line}" for line in sorted(set(complaints))]
    slowest = max(watch.seconds, default=0.0)
    how = (
        f"{len(cases)} runs beside a good one: {dict(sorted(outcomes.items()))}; the good run was "
        f"asked {len(watch.seconds)} times meanwhile, slowest answer {slowest:.1f} s; the server "
        f"grew by {grown:.0f} MiB"
    )
    return [Record.of("hostile runs on every page", sum(outcomes.values()), failures, how)]


def attack(server: Server, cases: Sequence[Case]) -> tuple[list[str], Counter[str], Watch, float]:
    """Failures, outcomes of views, what the good run's reader met, and MiB that the server grew."""
    failures: list[str] = []
    outcomes: Counter[str] = Counter()
    watch, done = Watch(), threading.Event()
    _ask_all(server, {"run": GOOD})  # loads what every page needs
    before = resident_mib(server.process)
    reader = threading.Thread(target=_keep_asking, args=(server, watch, done))
    reader.start()
    client = Client(server.address)
    try:
        for case in tqdm(cases, unit=" runs"):
            for page, query in views(case):
                try:
                    client.open(page, run=case.name, **query)
                except (Trouble, OSError) as error:
                    failures.append(f"{case.name} ({case.wrong}) on /{page}: {error}"[:400])
                    client = Client(server.address)  # an unfinished answer would follow
                    outcomes["failed"] += 1
                    continue
                words = client.words()
                if SECRET in words:
                    failures.append(f"{case.name} ({case.wrong}) on /{page}: shows the secret")
                outcomes["drawn or refused"] += 1
    finally:
        client.close()
        done.set()
        reader.join()
    grown = resident_mib(server.process) - before
    if grown > MOST_MEMORY:
        failures.append(f"the server grew by {grown:.0f} MiB")
    return failures, outcomes, watch, grown


def views(case: Case) -> tuple[View, ...]:
    """Pages to open a case on, with what reads the part that is hostile."""
    further = [found for part, found in FURTHER.items() if case.part.startswith(part)]
    return (*PAGES, *(view for found in further for view in found))


def _keep_asking(server: Server, watch: Watch, done: threading.Event) -> None:
    """A reader of the good run, in new sessions, until the attack is over."""
    while not done.is_set():
        try:
            watch.seconds += _ask_all(server, {"run": GOOD})
        except Exception as error:  # a reader's trouble is what is looked for
            watch.troubles.append(f"{type(error).__name__}: {error}"[:300])
        slow = [seconds for seconds in watch.seconds if seconds > MOST_SECONDS]
        if len(slow) > sum("slow" in each for each in watch.troubles):
            watch.troubles.append(f"slow: {slow[-1]:.0f} s")
        time.sleep(1)


def _ask_all(server: Server, query: dict[str, str]) -> list[float]:
    with Client(server.address) as client:
        client.open()
        taken = []
        for page, more in PAGES:
            taken.append(client.open(page, **query, **more))
            if "no run" in client.words():
                raise Trouble(f"the good run is gone: /{page}?{urlencode(query)}")
        return taken


def _open_again(folder: Path) -> None:
    """Gives back the rights to folders that nobody may read, so that they can be removed."""
    if folder.is_symlink() or not folder.is_dir():
        return
    folder.chmod(0o700)
    for path in folder.iterdir():
        _open_again(path)
