"""The dashboard as it is started: this machine only, and no requests from other sites."""

from __future__ import annotations

import http.client
import os
import signal
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from app.server import uploads
from benchmarks.resilience import starts
from benchmarks.resilience.client import Client
from benchmarks.resilience.server import Server, dashboard
from benchmarks.resilience.sockets import handshake, listening, shake_hands
from tests.limoe_core.test_places import AS_NOBODY

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server(runs_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with dashboard(runs_folder, tmp_path_factory.mktemp("server") / "log.txt") as found:
        yield found


def test_the_settings_that_ship_bind_to_this_machine_and_keep_protection_on() -> None:
    settings = tomllib.loads((ROOT / "app" / ".streamlit" / "config.toml").read_text())
    assert settings["server"]["address"] == "localhost"
    assert settings["server"]["enableXsrfProtection"] is True
    assert settings["server"]["enableCORS"] is True
    assert settings["server"]["maxUploadSize"] <= 20
    assert set(settings["server"]["allowedHosts"]) == {"localhost", "127.0.0.1", "::1"}


def test_a_started_server_listens_on_this_machine_alone(server: Server) -> None:
    found = listening(server.port)
    assert found
    assert found <= {"127.0.0.1", "::1"}


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
    (tmp_path / ".streamlit" / "config.toml").write_text(starts.OPEN)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    log = tmp_path / "log.txt"
    with dashboard(runs_folder, log, folder=tmp_path, command=command) as server:
        assert listening(server.port)
        assert starts.troubles(server) == []
        assert status(server, "evil.example") == 403


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


OURS = ("localhost", "127.0.0.1", "[::1]")
FOREIGN = ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "0.0.0.0", "[::2]")
PATHS = ("/", "/_stcore/health", "/_stcore/host-config", "/_stcore/metrics", "/favicon.png")


@pytest.mark.parametrize("host", FOREIGN)
def test_a_site_whose_name_was_turned_to_this_machine_gets_nothing(
    server: Server, host: str
) -> None:
    """DNS rebinding: the browser takes the page and this server for one site."""
    port = server.port
    for name in (host, f"{host}:{port}"):
        assert {status(server, name, path) for path in PATHS} == {403}
        assert handshake(server.port, name, f"http://{name}") == 403
        assert handshake(server.port, name, None) == 403


@pytest.mark.parametrize("host", OURS)
def test_the_dashboards_own_names_are_answered(server: Server, host: str) -> None:
    port = server.port
    for name in (host, f"{host}:{port}", host.upper()):
        assert {status(server, name, path) for path in PATHS} <= {200, 404}
        assert handshake(server.port, name, f"http://{name}") == 101
        assert handshake(server.port, name, "http://evil.example") == 403


@pytest.mark.parametrize("host", ["", "localhost@evil.example", "localhost/x", "localhost:x"])
def test_a_host_that_is_none_is_refused(server: Server, host: str) -> None:
    assert status(server, host) in (400, 403)
    assert handshake(server.port, host, None) in (400, 403)


def test_a_session_may_leave_so_many_files_only(server: Server) -> None:
    with Client(server.address) as reader:
        reader.open()
        answers = [
            upload(server, reader.session, f"made-up-{i}", b"x")
            for i in range(uploads.MOST_FILES + 2)
        ]
    assert answers == [204] * uploads.MOST_FILES + [413, 413]


@pytest.mark.processes
def test_a_user_without_a_home_sees_every_page(
    runs_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "TFDS_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    log, command = tmp_path / "log.txt", ("-c", AS_NOBODY, "limoe_lens")
    with dashboard(runs_folder, log, command=command) as server, Client(server.address) as reader:
        reader.open()
        for page in ("experts", "emergence", "zero-shot", ""):
            reader.open(page, run="small")
            assert reader.elements
        assert server.complaints() == []


@contextmanager
def stuck_jobs(log: Path) -> Iterator[Server]:
    """The dashboard of `stuck_job.py`."""
    command = ("-m", "streamlit", "run", str(Path(__file__).with_name("stuck_job.py")), "--")
    options = {"PYTHONPATH": str(ROOT), "STREAMLIT_SERVER_ADDRESS": "localhost"}
    with dashboard(log.parent, log, options, command=command) as server:
        yield server


@pytest.mark.processes
def test_a_job_can_be_given_up_and_begun_again_and_ends_when_its_reader_leaves(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log.txt"
    with stuck_jobs(log) as server:
        reader = Client(server.address)
        reader.open_until("button", ".cancel", reports="")
        reader.press(".cancel")
        assert "cancelled" in reader.words()
        wait_for(log, "the job ended", 1)
        reader.press_until(".again", "button", ".cancel")
        wait_for(log, "the job runs", 2)
        reader.close()
        wait_for(log, "the job ended", 2)  # and not before a page may have been loaded anew


def wait_for(log: Path, words: str, times: int) -> None:
    for _ in range(300):
        if log.read_text().count(words) >= times:
            return
        time.sleep(0.1)
    raise AssertionError(f"not {times} times {words!r} in half a minute:\n{log.read_text()}")


@pytest.mark.processes
@pytest.mark.parametrize("silent", [False, True], ids=["at rest", "a reader who does not let go"])
def test_a_server_that_is_told_to_end_ends(tmp_path: Path, silent: bool) -> None:
    """Though a job runs that nothing ends."""
    log = tmp_path / "log.txt"
    with stuck_jobs(log) as server:
        Client(server.address).open_until("button", ".cancel")
        deaf = shake_hands(server.port, "localhost", None) if silent else None
        asked = time.monotonic()
        os.kill(server.process, signal.SIGTERM)
        while state_of(server.process) not in ("", "Z"):
            assert time.monotonic() - asked < 10
            time.sleep(0.05)
        if deaf is not None:
            deaf.close()
    assert "Traceback" not in log.read_text()


def status(server: Server, host: str, path: str = "/") -> int:
    connection = http.client.HTTPConnection("localhost", server.port, timeout=60)
    connection.putrequest("GET", path, skip_host=True)
    connection.putheader("Host", host)
    connection.endheaders()
    found = connection.getresponse().status
    connection.close()
    return found


def upload(server: Server, session: str, file: str, content: bytes) -> int:
    """Status of the answer to a file that a script puts, with the token of a page."""
    connection = http.client.HTTPConnection("localhost", server.port, timeout=60)
    connection.request("GET", "/_stcore/host-config")
    connection.getresponse().read()
    connection.request("GET", "/_stcore/health")
    answer = connection.getresponse()
    answer.read()
    cookies = SimpleCookie(answer.getheader("Set-Cookie") or "")
    token = cookies["_streamlit_xsrf"].value
    edge = "edge"
    body = (
        f'--{edge}\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'.encode()
        + content
        + f"\r\n--{edge}--\r\n".encode()
    )
    connection.request(
        "PUT",
        f"/_stcore/upload_file/{session}/{file}",
        body=body,
        headers={
            "X-Xsrftoken": token,
            "Cookie": f"_streamlit_xsrf={token}",
            "Content-Type": f"multipart/form-data; boundary={edge}",
        },
    )
    found = connection.getresponse().status
    connection.close()
    return found


def state_of(process: int) -> str:
    """One letter as in ps; "" where the process is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


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
