"""Pages of other sites that ask for a session: by their own name, or by a name that was rebound.

A site whose name is made to lead to this machine (DNS rebinding) sends its own name as `Host` and
as `Origin`, so comparing the two lets it in; only a list of the hosts that are meant keeps it out.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from app.shell.options import SHIPPED_RUNS
from benchmarks.resilience.record import Record
from benchmarks.resilience.server import dashboard
from benchmarks.resilience.sockets import handshake

#: Names of this machine, with which a session must open.
OWN = ("localhost", "LOCALHOST", "localhost.", "127.0.0.1", "[::1]")
#: Names that somebody else may make lead here, or that only look like this machine.
FOREIGN = (
    *("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil-localhost"),
    *("xlocalhost", "localhost:80@evil.example", "user@localhost", "2130706433", "0x7f.1"),
    *("0.0.0.0", "10.0.0.1", "192.168.1.5", "[::2]", "[fe80::1]", "evil.example/localhost"),
)
#: Pages of other sites, whatever host they ask.
SITES = (
    *("http://evil.example", "https://evil.example", "null", "file://"),
    *("http://localhost.evil.example", "http://127.0.0.1.evil.example", "http://evil.example:80"),
)


def run(runs: Path = SHIPPED_RUNS) -> list[Record]:
    """Ask with every pair of host and origin; each must be let in or kept out, as is right."""
    with tempfile.TemporaryDirectory() as folder:
        with dashboard(runs, Path(folder) / "log.txt") as server:
            port = server.port
            wrong = [
                f"Host {host}, Origin {origin}: {status}"
                for host, origin, wanted in cases(port)
                if ((status := handshake(port, host, origin)) == 101) != wanted
            ]
            wrong += server.complaints()
    every = cases(port)
    opened = sum(wanted for _, _, wanted in every)
    how = (
        f"{len(OWN)} names of this machine, {len(FOREIGN)} foreign ones, {len(SITES)} other sites; "
        f"{opened} must be let in, {len(every) - opened} kept out"
    )
    return [Record.of("foreign hosts and origins", len(every), wrong, how)]


def cases(port: int) -> list[tuple[str | None, str | None, bool]]:
    """Host, origin, and whether a session may open."""
    found: list[tuple[str | None, str | None, bool]] = [(None, None, False)]
    for name in OWN:
        host = f"{name}:{port}"
        found += [(host, f"http://{host}", True), (host, None, True)]
        found += [(host, site, False) for site in SITES]
    for name in FOREIGN:
        for host in (name, f"{name}:{port}"):
            found += [(host, f"http://{host}", False), (host, None, False)]
            found += [(host, f"http://localhost:{port}", False)]
    return found
