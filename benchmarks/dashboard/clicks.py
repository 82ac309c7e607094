"""What a reader of the shipped run does, beside a rerun of the page on which nothing changes."""

from __future__ import annotations

import random
import statistics
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.dashboard.browser import answered, open_page, reader, settle
from benchmarks.dashboard.opening import READY
from benchmarks.measure import Line
from benchmarks.resilience.server import dashboard

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_EMPTY = "an empty rerun"
#: At most so many times an empty rerun.
_GOALS = {"a new text": 3.0, "another example": 2.0, "another tab": 4.0, "another page": 6.0}
#: The tabs of Experts.
_VIEWS = "[data-testid=stButtonGroup] [aria-label=View] button"


def lines(browser: Browser, folder: Path, rounds: int) -> list[Line]:
    """Each kind of interaction over an empty rerun: medians of interleaved repeats.

    Texts and examples are new each time. Tabs and pages are visited in turn, so that the first
    visits to each, with their imports, are among the others.
    """
    seconds = _seconds(browser, folder, rounds)
    empty = statistics.median(seconds[_EMPTY])
    reach = f"{min(seconds[_EMPTY]):.2g} to {max(seconds[_EMPTY]):.2g} s"
    found = [
        Line(
            name=_EMPTY,
            value=empty,
            unit="s",
            how=f"Routing, shipped run, the key R: median of {rounds}, {reach}, from the key to "
            "the frame after the script's end, in Chromium on the same machine",
        )
    ]
    for kind, goal in _GOALS.items():
        taken = seconds[kind]
        found.append(
            Line(
                name=f"{kind} ÷ {_EMPTY}",
                value=statistics.median(taken) / empty,
                goal=goal,
                how=f"shipped run, median {statistics.median(taken):.3g} s of {rounds}, "
                f"{min(taken):.2g} to {max(taken):.2g} s, in turn with the empty reruns",
            )
        )
    return found


def _seconds(browser: Browser, folder: Path, rounds: int) -> dict[str, list[float]]:
    with ExitStack() as stack:
        logs = stack.enter_context(tempfile.TemporaryDirectory())
        server = stack.enter_context(dashboard(folder, Path(logs) / "log"))
        routing, tabs, pages = (stack.enter_context(reader(browser)) for _ in range(3))
        open_page(routing, server.address, READY)
        open_page(tabs, f"{server.address}/experts", _VIEWS)
        open_page(pages, server.address, READY)
        for page in (routing, tabs, pages):
            settle(page)
        # Loads the model, which other readers' first text waits for too.
        answered(routing, lambda: _type(routing, "a text before all others"))
        kinds: dict[str, Callable[[int], float]] = {
            _EMPTY: lambda n: answered(routing, lambda: routing.keyboard.press("r")),
            "a new text": lambda n: answered(routing, lambda: _type(routing, f"text {n}")),
            "another example": lambda n: answered(routing, lambda: _pick(routing, n)),
            "another tab": lambda n: answered(tabs, lambda: _tab(tabs, n)),
            "another page": lambda n: answered(pages, lambda: _turn(pages, n)),
        }
        seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
        order, shuffle = list(kinds), random.Random(0).shuffle
        for number in range(1, rounds + 1):
            shuffle(order)
            for kind in order:
                seconds[kind].append(kinds[kind](number))
    return seconds


def _type(page: Page, text: str) -> None:
    field = page.get_by_placeholder("Type a text for this picture")
    field.fill(text)
    field.press("Enter")


def _pick(page: Page, number: int) -> None:
    items = page.locator(".strip .item")
    items.nth(number % items.count()).click()


def _tab(page: Page, number: int) -> None:
    buttons = page.locator(_VIEWS)
    buttons.nth(number % buttons.count()).click()


def _turn(page: Page, number: int) -> None:
    links = page.locator("[data-testid=stSidebarNavLink]")
    links.nth(number % links.count()).click()
