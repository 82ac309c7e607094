"""The dashboard in its own process, on a free port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

#: Root of the project.
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Server:
    """A running dashboard."""

    address: str
    process: int
    """Its process id."""
    log: Path

    @property
    def port(self) -> int:
        """Its port."""
        found = urlsplit(self.address).port
        assert found is not None
        return found

    def processor_seconds(self) -> float:
        """Seconds of a processor that it has taken so far, as Linux counts them."""
        stat = Path(f"/proc/{self.process}/stat").read_text()
        own, system = stat.rpartition(")")[2].split()[11:13]  # utime and stime
        return (int(own) + int(system)) / os.sysconf("SC_CLK_TCK")

    def complaints(self) -> list[str]:
        """Lines of the log that name an exception."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [line for line in lines if line.startswith("Traceback") or "Uncaught" in line]


@contextmanager
def dashboard(
    runs: Path,
    log: Path,
    options: Mapping[str, str] | None = None,
    *,
    seconds: float = 180,
    folder: Path = ROOT,
    command: Sequence[str] = ("-m", "streamlit", "run", str(ROOT / "app"), "--"),
) -> Iterator[Server]:
    """Start the dashboard on a folder of runs, with the project's own settings.

    Args:
      log: file for its output.
      options: further settings, as environment variables.
      seconds: time limit for its first answer.
      folder: working directory.
      command: arguments of Python; the folder of runs is added to them.
    """
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    settings = {"STREAMLIT_SERVER_PORT": str(port), "STREAMLIT_SERVER_HEADLESS": "true"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command, "--runs", str(runs)],
            cwd=folder,
            env={**os.environ, **settings, **(options or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        address = f"http://localhost:{port}"
        _wait(process, f"{address}/_stcore/health", log, seconds)
        yield Server(address, process.pid, log)
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], health: str, log: Path, seconds: float) -> None:
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(health, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"the dashboard did not start:\n{log.read_text()[-3000:]}")
