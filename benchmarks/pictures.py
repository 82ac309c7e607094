"""`make pictures`: pictures of the dashboard on the runs that ship, for README.

The same code and the same runs give the same picture but for the rounding of a machine's fonts.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from benchmarks.resilience.server import ROOT, dashboard

if TYPE_CHECKING:
    from playwright.sync_api import Page

#: Pictures by name, and the address that each shows. The dashboard's own defaults are what a
#: reader sees first, so as little as possible is said.
PLACES = {
    "routing": "",
    "experts": "experts",
    "emergence": "emergence",
    "zero_shot": "zero-shot",
    "interventions": "interventions",
    "embeddings": "embeddings",
    "training": "training",
    "compare": "compare",
}
_DEFAULT_CHROMIUM = "chromium"  # Debian's name
_QUALITY = 85  # percent; of JPEG


@dataclass(frozen=True)
class Command:
    """Take pictures of pages, in Chromium."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Pages, such as routing; all by default."""
    runs: Path = ROOT / "checkpoints"
    """Folder of runs."""
    to: Path = ROOT / "docs"
    """Folder for the pictures."""
    width: int = 1280
    """Pixels; so are the others."""
    height: int = 860
    scheme: Literal["light", "dark"] = "light"
    patience: int = 300
    """Seconds that a page may take."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    options = tyro.cli(Command, args=arguments, prog="python -m benchmarks.pictures")
    if unknown := sorted(set(options.names) - set(PLACES)):
        print(f"error: no page {unknown[0]!r}; there are {', '.join(PLACES)}", file=sys.stderr)
        return 2
    options.to.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as logs,
        dashboard(options.runs, Path(logs) / "log.txt") as server,
        _browser(options) as page,
    ):
        for name in options.names or PLACES:
            page.goto(f"{server.address}/{PLACES[name]}")
            _settle(page)
            path = options.to / f"{name}.jpg"
            page.screenshot(path=path, type="jpeg", quality=_QUALITY, animations="disabled")
            print(path)
    return 0


@contextmanager
def _browser(options: Command) -> Iterator[Page]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which(_DEFAULT_CHROMIUM),  # None takes Playwright's own
            # Its sandbox does not start for root, as in containers.
            args=["--no-sandbox"] if os.geteuid() == 0 else [],
        )
        try:
            page = browser.new_page(
                viewport={"width": options.width, "height": options.height},
                color_scheme=options.scheme,
            )
            page.set_default_timeout(1000 * options.patience)
            yield page
        finally:
            browser.close()


def _settle(page: Page) -> None:
    """Waits until the server has said all and nothing has moved for a while."""
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    page.wait_for_function("() => !document.querySelector('[data-testid=stSkeleton]')")
    before = b""
    while (now := page.screenshot(animations="disabled")) != before:
        before = now
        page.wait_for_timeout(1500)


if __name__ == "__main__":
    sys.exit(main())
