"""The dashboard as it is started: this machine only, and no requests from other sites."""

from __future__ import annotations

import http.client
import socket
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from benchmarks.resilience.client import Client
from benchmarks.resilience.server import Server, dashboard

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server(runs_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with dashboard(runs_folder, tmp_path_factory.mktemp("server") / "log.txt") as found:
        yield found


def test_the_settings_that_ship_bind_to_this_machine_and_keep_protection_on() -> None:
    settings = tomllib.loads((ROOT / "app" / ".streamlit" / "config.toml").read_text())
    assert settings["server"]["address"] == "localhost"
    assert settings["server"]["enableXsrfProtection"] is True
    assert settings["server"].get("enableCORS", True) is True
    assert settings["server"]["maxUploadSize"] <= 20


def test_a_started_server_listens_on_this_machine_alone(server: Server) -> None:
    port = urlsplit(server.address).port
    listening = _listening(port)
    assert listening
    assert listening <= {"127.0.0.1", "::1"}


@pytest.mark.parametrize(
    "command",
    [
        ("-m", "streamlit", "run", str(ROOT / "app"), "--"),
        ("-m", "streamlit", "run", str(ROOT / "app" / "streamlit_app.py"), "--"),
        ("-m", "limoe_lens"),
    ],
    ids=["streamlit run app", "streamlit run app/streamlit_app.py", "limoe-lens"],
)
def test_started_from_a_folder_with_other_settings_it_keeps_to_its_own(
    command: tuple[str, ...],
    runs_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "config.toml").write_text(
        '[server]\naddress = "0.0.0.0"\n[browser]\ngatherUsageStats = true\n'
    )
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    log = tmp_path / "log.txt"
    with dashboard(runs_folder, log, folder=tmp_path, command=command) as server:
        listening = _listening(urlsplit(server.address).port)
        assert listening
        assert listening <= {"127.0.0.1", "::1"}
        with Client(server.address) as reader:
            reader.open()
            assert reader.gathers_statistics is False


def test_an_upload_without_the_token_is_refused(server: Server) -> None:
    place = urlsplit(server.address)
    connection = http.client.HTTPConnection("localhost", place.port, timeout=60)
    connection.request("PUT", "/_stcore/upload_file/session/file", body=b"x")
    assert connection.getresponse().status == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost.evil.example"])
def test_a_page_of_another_site_opens_no_session(server: Server, origin: str) -> None:
    place = urlsplit(server.address)
    with pytest.raises(InvalidStatus) as refused:
        connect(
            f"ws://{place.netloc}/_stcore/stream",
            origin=origin,  # type: ignore[arg-type]
            open_timeout=60,
            proxy=None,
        )
    assert refused.value.response.status_code == 403


@pytest.mark.processes
def test_two_readers_click_through_all_pages_of_a_started_server(server: Server) -> None:
    with Client(server.address) as one, Client(server.address) as other:
        for reader in (one, other):
            reader.open()
            assert set(reader.pages) >= {"experts", "emergence", "zero-shot"}
        for page in ("experts", "emergence", "zero-shot", ""):
            for reader in (one, other):
                reader.open(page, run="small")
                assert reader.elements
        one.open("", run="../../etc")
        assert "there is no run" in one.words().replace("\\", "")
        other.open("")
        other.type("text", "a blue dog")
    assert server.complaints() == []


def _listening(port: int | None) -> set[str]:
    """Addresses on which this port is listened to, as Linux lists them."""
    found = set()
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        path = Path(f"/proc/net/{table}")
        if not path.exists():
            continue
        for line in path.read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            address, _, number = local.partition(":")
            if state == "0A" and int(number, 16) == port:
                words = [address[i : i + 8] for i in range(0, len(address), 8)]
                packed = b"".join(bytes.fromhex(word)[::-1] for word in words)
                found.add(socket.inet_ntop(family, packed))
    return found
