"""The first routing picture, and what is sent for it and for changes of it: shipped and large."""

from __future__ import annotations

import statistics
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.dashboard.browser import Traffic, answered, open_page, reader, settle
from benchmarks.measure import Line
from benchmarks.resilience.server import dashboard

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

#: The routing view, drawn.
READY = ".lens[data-ready]"
SHIPPED, LARGE = "shipped", "made up"
_PICTURE, _CHANGE = 1000.0, 50.0
"""Goals, in kB."""


@dataclass
class Seen:
    """What was measured of a folder of runs."""

    fresh: list[float] = field(default_factory=list)
    """Seconds until the picture, of a server that had shown nothing yet."""
    again: list[float] = field(default_factory=list)
    """The same of its second reader."""
    sent: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Kilobytes for the picture, and for changes of example and of layer."""


def lines(browser: Browser, folders: Mapping[str, Path], repeats: int, about: str) -> list[Line]:
    """Times and bytes of both folders.

    Args:
      folders: of runs, by `SHIPPED` and `LARGE`.
      repeats: of fresh servers, one of each folder in turn.
      about: the large run in words.
    """
    found = {name: Seen() for name in folders}
    for _ in range(repeats):
        for name, folder in folders.items():
            _open(browser, folder, found[name])
    shipped, large = found[SHIPPED], found[LARGE]
    said = f"medians of {repeats} servers in turn, each reader with an empty browser"
    return [
        _ratio("of a fresh server", large.fresh, shipped.fresh, f"{about}; {said}"),
        _ratio("of a running server", large.again, shipped.again, f"{about}; {said}"),
        *(
            Line(
                name=f"sent for {what}, {name}",
                value=statistics.median(sent),
                unit="kB",
                goal=_PICTURE if what == _FIRST else _CHANGE,
                how=f"{about if name == LARGE else 'the run that opens'}; bytes of the web socket "
                "and of pictures, without Streamlit's own frontend; "
                f"median of {len(sent)}, at most {max(sent):.0f} kB",
            )
            for name, seen in found.items()
            for what, sent in seen.sent.items()
        ),
    ]


_FIRST = "the first routing picture"


def interventions_line(browser: Browser, folder: Path) -> Line:
    """Seconds until Interventions shows what its first change does, of a fresh server.

    Whoever asks a model for the first time waits for imports, parameters and a program of JAX.
    """
    with tempfile.TemporaryDirectory() as logs, dashboard(folder, Path(logs) / "log") as server:
        before = server.processor_seconds()
        with reader(browser) as page:
            seconds = open_page(page, f"{server.address}/interventions", _CHANGED)
            taken = server.processor_seconds() - before
    return Line(
        name="Interventions' first picture of a fresh server",
        value=seconds,
        unit="s",
        how=f"{SHIPPED} run; {taken:.3g} s of a processor in the server, with programs as earlier "
        "starts of this user left them on disk",
    )


_CHANGED = "h2:has-text('Routing before and after')"


def _ratio(whose: str, large: list[float], shipped: list[float], how: str) -> Line:
    mine, theirs = statistics.median(large), statistics.median(shipped)
    return Line(
        name=f"first routing picture {whose}, {LARGE} ÷ {SHIPPED}",
        value=mine / theirs,
        goal=1.5,
        how=f"{mine:.3g} s and {theirs:.3g} s from the address to the frame; {how}",
    )


def _open(browser: Browser, folder: Path, seen: Seen) -> None:
    with tempfile.TemporaryDirectory() as logs, dashboard(folder, Path(logs) / "log") as server:
        for seconds in (seen.fresh, seen.again):
            with reader(browser) as page:
                traffic = Traffic(page)
                seconds.append(open_page(page, server.address, READY))
                settle(page)
                seen.sent[_FIRST].append(traffic.taken() / 1000)
                if seconds is seen.again:
                    _change(page, traffic, seen)


def _change(page: Page, traffic: Traffic, seen: Seen) -> None:
    items, layers = page.locator(".strip .item"), page.locator(".layers .layer")
    for place in (1, 2):
        answered(page, items.nth(place).click)
        seen.sent["a change of example"].append(traffic.taken() / 1000)
    for place in (1, 0):

        def turn(place: int = place) -> None:
            layers.nth(place).click()
            page.mouse.move(1, 1)  # of a small run the server hears of it when the pointer leaves

        answered(page, turn)
        seen.sent["a change of layer"].append(traffic.taken() / 1000)
