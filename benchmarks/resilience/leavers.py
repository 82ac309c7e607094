"""Readers who begin long work and leave, and a server that is asked to end meanwhile.

The work must end with them, nobody else may wait for it, and it must not keep the server from
ending.
"""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from pathlib import Path

from app.shell.options import SHIPPED_RUNS
from benchmarks.resilience.client import Client
from benchmarks.resilience.record import Record
from benchmarks.resilience.server import Server, dashboard
from limoe_core.runs import Run, list_runs

#: A view whose numbers take a while, for each step anew.
_LONG = ("experts", {"view": "sceptic", "check": "asked"})
#: Seconds in which another reader must be answered; in which the server must come to rest after
#: all have left; and in which it must end.
_ANSWER, _REST, _END = 20.0, 60.0, 10.0
#: Share of one core that a server at rest may use.
_IDLE = 0.1


def run(readers: int = 12, runs: Path = SHIPPED_RUNS) -> list[Record]:
    """Let `readers` begin long work, each another, and leave a moment later; then end the server.

    Args:
      runs: folder with a run that has experts and probe traces at several steps.
    """
    name, steps = _probed(runs)
    asked = [steps[place % len(steps)] for place in range(readers)]
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        with dashboard(runs, Path(folder) / "log.txt") as server:
            with Client(server.address) as other:
                other.open("experts", run=name)
                _leave(server, name, asked)
                answered = other.open("emergence", run=name)
                answered = max(answered, other.open("experts", run=name))
            if answered > _ANSWER:
                failures.append(f"another reader waited {answered:.0f} s")
            rest = _seconds_to_rest(server)
            if rest is None:
                failures.append(f"the server still works {_REST:.0f} s after all have left")
            _leave(server, name, asked, stay=True)
            ended = _seconds_to_end(server)
            if ended is None:
                failures.append(f"the server did not end within {_END:.0f} s")
            failures += server.complaints()
    how = (
        f"each begins the sceptic's check of another step of {name} and leaves when it is under "
        f"way; another reader was answered in at most {answered:.1f} s; at rest "
        f"{'never' if rest is None else f'{rest:.0f} s'} after they had left; ended "
        f"{'never' if ended is None else f'{ended:.1f} s'} after SIGTERM, with such work under way"
    )
    return [Record.of("readers who leave", readers, failures, how)]


def _probed(runs: Path) -> tuple[str, list[int]]:
    for listing in list_runs(runs):
        if listing.error is None and len(steps := Run.open(listing.path).probe_steps()) > 1:
            return listing.name, steps
    raise ValueError(f"no run in {runs} has probe traces at several steps")


def _leave(server: Server, name: str, steps: list[int], *, stay: bool = False) -> None:
    """Readers begin their work at once, and leave when they see it go on, unless they stay."""

    def begin(step: int) -> None:
        page, view = _LONG
        client = Client(server.address)
        try:
            client.open_until("button", ".cancel", page, run=name, step=str(step), **view)
        finally:
            if not stay:
                client.close()

    threads = [threading.Thread(target=begin, args=(step,)) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _seconds_to_rest(server: Server) -> float | None:
    """Seconds until the server uses next to no processor time for two seconds; None if never."""
    started = time.monotonic()
    while (at := time.monotonic()) < started + _REST:
        before = _processor_seconds(server.process)
        time.sleep(2)
        if _processor_seconds(server.process) - before < _IDLE * 2:
            return at - started
    return None


def _seconds_to_end(server: Server) -> float | None:
    """Seconds from SIGTERM to the server's end; None if it takes too long."""
    started = time.monotonic()
    os.kill(server.process, signal.SIGTERM)
    while time.monotonic() < started + _END:
        if _state(server.process) == "Z":  # ended, and nobody has looked yet
            return time.monotonic() - started
        time.sleep(0.05)
    return None


def _processor_seconds(process: int) -> float:
    fields = _stat(process)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _state(process: int) -> str:
    return _stat(process)[0]


def _stat(process: int) -> list[str]:
    """Fields of Linux's `stat` from the third, the state, on."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
