"""The dashboard in a real browser: a server on a free port, and pages that tolerate no error."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from tests.app.example_runs import make_runs

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytest.register_assert_rewrite("tests.browser.page_runs")  # so that it says what it saw

ROOT = Path(__file__).resolve().parents[2]
#: Milliseconds that anything on a page may take; the machine may be busy with other work.
PATIENCE = 180_000

Serve = Callable[..., str]
Visit = Callable[..., "Page"]
Scheme = Literal["light", "dark"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def runs_folder(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs as in `tests.app.example_runs`; not made where there is no Chromium to see them."""
    return make_runs(tmp_path_factory.mktemp("browser") / "runs")


@pytest.fixture(scope="session")
def serve(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Starts the dashboard on a folder of runs, once for each folder; gives its address."""
    servers: dict[Path, tuple[subprocess.Popen[bytes], str]] = {}

    def start(folder: Path, script: Path = ROOT / "app") -> str:
        if folder not in servers:
            servers[folder] = _start(folder, script, tmp_path_factory.mktemp("server") / "log.txt")
        return servers[folder][1]

    yield start
    for process, _ in servers.values():
        process.terminate()
    for process, _ in servers.values():
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()


@pytest.fixture(scope="session")
def server(serve: Serve, runs_folder: Path) -> str:
    """Address of the dashboard on the example runs."""
    return serve(runs_folder)


@pytest.fixture(scope="session")
def visitor(chromium: Browser) -> Iterator[BrowserContext]:
    """A browser that has been here before: what never changes it need not fetch and compile."""
    context = chromium.new_context()
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture
def visit(visitor: BrowserContext) -> Iterator[Visit]:
    """Opens an address in a tab of its own, which remembers nothing of the tabs before.

    Errors of scripts fail the test, and so does any request to another machine.
    """
    pages: list[Page] = []
    troubles: list[str] = []

    def open_page(
        address: str, *, width: int = 1280, height: int = 720, scheme: Scheme = "light"
    ) -> Page:
        page = visitor.new_page()
        pages.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        page.on("pageerror", lambda error: troubles.append(f"error in a script: {error}"))
        page.on("request", lambda request: _stay_home(request.url, troubles))
        page.goto(address)
        return page

    yield open_page
    for page in pages:
        page.close()
    visitor.set_storage_state({})
    assert not troubles, "\n".join(troubles)


def _stay_home(url: str, troubles: list[str]) -> None:
    if not url.startswith(("http://localhost:", "data:", "blob:")):
        troubles.append(f"a request to another machine: {url[:200]}")


def _start(folder: Path, script: Path, log: Path) -> tuple[subprocess.Popen[bytes], str]:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    settings = {
        "STREAMLIT_SERVER_PORT": str(port),
        "STREAMLIT_SERVER_ADDRESS": "localhost",
        "STREAMLIT_SERVER_HEADLESS": "true",
        "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", str(script), "--", "--runs", str(folder)],
            cwd=ROOT,
            env={**os.environ, **settings},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    address = f"http://localhost:{port}"
    for _ in range(5 * PATIENCE // 1000):
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5) as answer:
                if answer.status == 200:
                    return process, address
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    process.kill()
    raise AssertionError(f"the server did not start:\n{log.read_text()[-3000:]}")
