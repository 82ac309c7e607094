"""Many readers at once, each clicking through all pages, round after round.

Each round opens new sessions, which do the same things in different orders. The server's memory
must not grow from round to round: Streamlit keeps ended sessions for a while, and every cache of
the dashboard has a limit.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from app.shell.options import SHIPPED_RUNS
from benchmarks.resilience.client import Client, Trouble
from benchmarks.resilience.memory import resident_mib
from benchmarks.resilience.record import Record
from benchmarks.resilience.server import Server, dashboard

#: Pages and their query parameters.
VIEWS: tuple[tuple[str, dict[str, str]], ...] = (
    ("", {}),
    ("", {"example": "1"}),
    ("", {"example": "2", "layer": "2"}),
    ("", {"example": "3", "routed": "alone"}),
    ("experts", {}),
    ("experts", {"view": "closely"}),
    ("experts", {"view": "preferences"}),
    ("experts", {"view": "paths"}),
    ("experts", {"view": "causal"}),
    ("experts", {"view": "sceptic", "check": "asked"}),
    ("emergence", {}),
    ("emergence", {"axis": "linear"}),
    ("zero-shot", {}),
    ("zero-shot", {"show": "search"}),
    ("zero-shot", {"show": "accuracy"}),
    ("zero-shot", {"show": "confusions"}),
    ("", {"run": "../../etc", "step": "nonsense"}),
)
#: Texts that readers type; few, so that what is cached does not depend on how fast the machine is.
TEXTS = ("a red apple", "リンゴ", "سیب قرمز", "<script>alert(1)</script>", "", "x" * 5000)
#: MiB, and share of the total, by which memory may differ between the later rounds: the
#: allocator's reserve varies by that much.
ROOM, SHARE = 60.0, 0.05


@dataclass
class Round:
    """Outcome of one round."""

    seconds: list[float] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    troubles: list[str] = field(default_factory=list)
    memory: float = 0.0
    """MiB that the server held at the end of the round."""


def run(
    readers: int = 20,
    seconds: float = 120.0,
    rounds: int = 6,
    seed: int = 0,
    runs: Path = SHIPPED_RUNS,
) -> list[Record]:
    """Let this many readers click for `seconds` in all, in rounds of equal length.

    Before that, one reader opens every view once in an extra round, so that imports and compiling
    are over; its seconds are reported too.
    """
    with tempfile.TemporaryDirectory() as folder:
        with dashboard(runs, Path(folder) / "log.txt") as server:
            first = _round(server, 1, float("inf"), seed)
            found = [
                _round(server, readers, seconds / rounds, seed + 1 + number)
                for number in range(rounds)
            ]
            complaints = server.complaints()
    return [_answers(readers, seconds, seed, first, found, complaints), _memory(found)]


def _round(server: Server, readers: int, seconds: float, seed: int) -> Round:
    """One round of the readers; with infinite `seconds`, each view once."""
    found = Round()
    lock = threading.Lock()
    end = time.perf_counter() + seconds

    def note(what: str, taken: float) -> None:
        with lock:
            found.seconds.append(taken)
            found.slowest = max(found.slowest, (taken, what))

    def read(number: int) -> None:
        rng = random.Random(seed * 1000 + number)
        try:
            with Client(server.address) as client:
                note("first page", client.open())
                while True:
                    for page, query in rng.sample(VIEWS, len(VIEWS)):
                        if time.perf_counter() > end:
                            return
                        note(f"/{page}?{query}", client.open(page, **query))
                    client.open()
                    text = rng.choice(TEXTS)
                    note(f"typed {text[:20]!r}", client.type("text", text))
                    if seconds == float("inf"):
                        return
        except Exception as error:  # one reader's trouble is a result, not the end of the others
            with lock:
                found.troubles.append(f"{type(error).__name__}: {error}"[:600])

    threads = [threading.Thread(target=read, args=(number,)) for number in range(readers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found.memory = resident_mib(server.process)
    return found


def _answers(
    readers: int, seconds: float, seed: int, first: Round, found: list[Round], complaints: list[str]
) -> Record:
    taken = [each for one in found for each in one.seconds]
    troubles = [each for one in (first, *found) for each in one.troubles] + complaints
    slowest = max(one.slowest for one in found)
    middle = statistics.median(taken) if taken else float("nan")
    return Record(
        f"{readers} readers at once",
        len(taken) + len(first.seconds) + len(troubles),
        len(troubles),
        f"{seconds:.0f} s in {len(found)} rounds of new sessions, all pages, seed {seed}; "
        f"{len(taken):,} answers, median {middle:.2f} s, slowest {slowest[0]:.2f} s "
        f"({slowest[1]}); alone and cold, the slowest view took {first.slowest[0]:.2f} s "
        f"({first.slowest[1]})" + (f"; FAILED: {'; '.join(troubles[:5])}" if troubles else ""),
    )


def _memory(found: list[Round]) -> Record:
    """Compare memory over the later half of the rounds; the first ones fill the caches."""
    memory = [one.memory for one in found]
    later = memory[len(memory) // 2 :]
    allowed = ROOM + SHARE * later[0]
    grew = later[-1] - later[0]
    each = ", ".join(f"{value:.0f}" for value in memory)
    return Record(
        "memory from round to round",
        len(later) - 1,
        int(grew > allowed),
        f"MiB after each round: {each}; allowed between the later rounds {allowed:.0f}, "
        f"found {grew:+.0f}",
    )


__all__ = ["Round", "Trouble", "run"]
