"""Chromium, and what a page does in it: bytes that come, seconds until an answer is painted."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

#: Seconds that anything may take; the machine may be busy.
PATIENCE = 180
_EXECUTABLES = ("chromium", "chromium-browser", "google-chrome")
#: Streamlit's own frontend, which every app of it sends.
_FRONTEND = ("/static/", "/_stcore/", "/vendor/")

# From the first key or press of the pointer to the second frame after the script has ended: what it
# sent is painted then. A script that begins another run within a moment has not ended.
_ARM = """({ moment, patience }) => {
  window.limoeLensAnswer = new Promise((resolve, reject) => {
    let [start, ran, turn] = [null, false, 0];
    const begin = () => (start ??= performance.now());
    for (const type of ["pointerdown", "keydown"]) {
      window.addEventListener(type, begin, { capture: true, once: true });
    }
    const frame = () => new Promise((then) => requestAnimationFrame(then));
    const changed = async ([{ target }]) => {
      const mine = ++turn;
      if (start === null) return;
      ran ||= target.dataset.testScriptState !== "notRunning";
      if (!ran || target.dataset.testScriptState !== "notRunning") return;
      await frame();
      await frame();
      const end = performance.now();
      await new Promise((then) => setTimeout(then, moment));
      if (mine !== turn) return;
      watcher.disconnect();
      resolve(end - start);
    };
    const watcher = new MutationObserver(changed);
    watcher.observe(document.body, { subtree: true, attributeFilter: ["data-test-script-state"] });
    setTimeout(() => reject(new Error("no answer came")), patience);
  });
}"""
_MOMENT = 250
"""Milliseconds."""
_ANSWER = "() => window.limoeLensAnswer"


def missing() -> str | None:
    """What is missing for a measurement in a browser; None if nothing is."""
    if importlib.util.find_spec("playwright") is None:
        return "Playwright is not installed (requirements-dev.txt has it)"
    if _executable() is None:
        return f"there is none of {', '.join(_EXECUTABLES)} on this machine"
    return None


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=_executable(),
            # Its sandbox does not start for root, as in containers.
            args=["--no-sandbox"] if os.geteuid() == 0 else [],
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def reader(browser: Browser) -> Iterator[Page]:
    """A page of somebody who was never here: nothing is in the browser's caches."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    context.set_default_timeout(1000 * PATIENCE)
    try:
        yield context.new_page()
    finally:
        context.close()


def _executable() -> str | None:
    return next(filter(None, map(shutil.which, _EXECUTABLES)), None)


class Traffic:
    """Bytes that a page gets of the server, without the files of Streamlit's frontend."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._bytes = 0
        self._compressed = False
        self._paths: dict[str, str] = {}
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.webSocketHandshakeResponseReceived", self._handshake)
        session.on("Network.webSocketFrameReceived", self._frame)
        session.on("Network.responseReceived", self._response)
        session.on("Network.loadingFinished", self._finished)

    def taken(self) -> int:
        """Bytes since the last time it was asked."""
        self._page.wait_for_timeout(500)  # what is under way comes in
        if self._compressed:
            raise RuntimeError("the web socket is compressed, so its bytes cannot be told")
        found, self._bytes = self._bytes, 0
        return found

    def _handshake(self, event: dict[str, Any]) -> None:
        headers = {name.lower(): value for name, value in event["response"]["headers"].items()}
        self._compressed = "deflate" in headers.get("sec-websocket-extensions", "")

    def _frame(self, event: dict[str, Any]) -> None:
        content = event["response"]["payloadData"]
        binary = event["response"]["opcode"] == 2  # then in base64
        size = 3 * len(content) // 4 - content[-2:].count("=") if binary else len(content.encode())
        self._bytes += size + (2 if size < 126 else 4 if size < 65_536 else 10)

    def _response(self, event: dict[str, Any]) -> None:
        self._paths[event["requestId"]] = urlsplit(event["response"]["url"]).path

    def _finished(self, event: dict[str, Any]) -> None:
        path = self._paths.get(event["requestId"], "/")
        if path != "/" and not path.startswith(_FRONTEND):
            self._bytes += int(event["encodedDataLength"])


def open_page(page: Page, address: str, ready: str) -> float:
    """Opens an address; seconds until an element is there and painted.

    Args:
      ready: selector of the element.
    """
    page.goto(address, wait_until="commit")
    page.wait_for_selector(ready)
    painted = "() => new Promise((then) => requestAnimationFrame(() => then(performance.now())))"
    return float(page.evaluate(painted)) / 1000


def settle(page: Page) -> None:
    """Waits until the server has nothing more to say."""
    page.wait_for_timeout(300)
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")


def answered(page: Page, act: Callable[[], object]) -> float:
    """Seconds from what a reader does to the frame that shows the server's answer.

    Args:
      act: does it, with a key or a press of the pointer.
    """
    page.evaluate(_ARM, {"moment": _MOMENT, "patience": 1000 * PATIENCE})
    act()
    return float(page.evaluate(_ANSWER)) / 1000
