"""The dashboard started in every way, from folders and homes whose settings open it to all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from app.shell.options import SHIPPED_RUNS
from benchmarks.resilience.client import Client
from benchmarks.resilience.record import Record
from benchmarks.resilience.server import ROOT, Server, dashboard
from benchmarks.resilience.sockets import handshake, listening

#: Ways to start it, without the folder of runs.
COMMANDS: dict[str, tuple[str, ...]] = {
    "streamlit run app": ("-m", "streamlit", "run", str(ROOT / "app"), "--"),
    "streamlit run app/streamlit_app.py": (
        *("-m", "streamlit", "run", str(ROOT / "app" / "streamlit_app.py"), "--"),
    ),
    "limoe-lens": ("-m", "limoe_lens"),
}
#: Settings that another project may well have.
OPEN = (
    '[server]\naddress = "0.0.0.0"\nenableCORS = false\nenableXsrfProtection = false\n'
    'allowedHosts = ["*"]\ncorsAllowedOrigins = ["http://evil.example"]\nenableAgentApi = true\n'
    "maxUploadSize = 2000\n[browser]\ngatherUsageStats = true\n"
)
_LOCAL = {"127.0.0.1", "::1"}


def run(runs: Path = SHIPPED_RUNS) -> list[Record]:
    """Start it by every command from every place, and look at what it lets in."""
    wrong: list[str] = []
    tried = 0
    with tempfile.TemporaryDirectory() as name:
        for place, folder, settings in _places(Path(name)):
            for way, command in COMMANDS.items():
                tried += 1
                log = Path(name) / "log.txt"
                settings = {**settings, "PYTHONPATH": str(ROOT)}
                with dashboard(runs, log, settings, folder=folder, command=command) as server:
                    wrong += [f"{way}, {place}: {trouble}" for trouble in troubles(server)]
    how = (
        f"{len(COMMANDS)} commands from the project, from a folder with settings that open it to "
        "all, with such settings in the user's home, and with both; looked at: listening "
        "addresses, statistics, a foreign host, a foreign origin"
    )
    return [Record.of("starts from elsewhere", tried, wrong, how)]


def troubles(server: Server) -> list[str]:
    """What a started dashboard lets in that it should not."""
    port = server.port
    found = []
    if not listening(port) <= _LOCAL:
        found.append(f"it listens on {', '.join(sorted(listening(port) - _LOCAL))}")
    with Client(server.address) as reader:
        reader.open()
        if reader.gathers_statistics is not False:
            found.append("it sends statistics")
    if handshake(port, "evil.example", "http://evil.example") == 101:
        found.append("a rebound name is let in")
    if handshake(port, f"localhost:{port}", "http://evil.example") == 101:
        found.append("another site is let in")
    return found


def _places(base: Path) -> Iterator[tuple[str, Path, dict[str, str]]]:
    """Name, folder to start from, and environment."""
    for folder in ("elsewhere", "home"):
        (base / folder / ".streamlit").mkdir(parents=True)
        (base / folder / ".streamlit" / "config.toml").write_text(OPEN)
    at_home = {"HOME": str(base / "home")}
    yield "from the project", ROOT, {}
    yield "from elsewhere", base / "elsewhere", {}
    yield "with a home of its own", ROOT, at_home
    yield "from elsewhere with a home of its own", base / "elsewhere", at_home
