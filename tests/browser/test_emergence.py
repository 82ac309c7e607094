"""The Emergence page in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

from playwright.sync_api import Page, expect

import analysis
from limoe_core.runs.directory import Run
from tests.browser.conftest import Visit
from tests.browser.page_runs import (
    choose,
    figures,
    no_error,
    no_sideways,
    page_runs,
    page_server,
    settled,
)

__all__ = ["page_runs", "page_server"]  # fixtures


def drawn(visit: Visit, address: str, **options: object) -> Page:
    page = settled(visit(address, **options))
    expect(figures(page).first).to_be_visible()
    return page


def image_shares(page: Page) -> list[float]:
    """What the bars of the first figure show of the images."""
    return page.locator(".js-plotly-plot").first.evaluate(
        "plot => Array.from(plot._fullData[0]._module ? plot.calcdata[0] : [], bar => bar.s)"
    )


def place(page: Page) -> int:
    """Which of its steps the slider is at."""
    plot = page.locator(".js-plotly-plot").first
    return int(plot.evaluate("plot => plot._fullLayout.sliders[0].active"))


def shares_at(runs: Path, step: int) -> list[float]:
    frame = analysis.roles(Run.open(runs / "small").probe(step)).query("layer == 2")
    return frame["image_share"].tolist()


def test_the_slider_moves_through_the_steps_without_the_server(
    visit: Visit, page_server: str, page_runs: Path
) -> None:
    page = drawn(visit, f"{page_server}/emergence?run=small&layer=2")
    no_error(page)
    assert image_shares(page) == pytest.approx(shares_at(page_runs, 20))
    sent: list[object] = []
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.webSocketFrameSent", lambda frame: sent.append(frame))
    rail = page.locator(".slider-rail-touch-rect").first.bounding_box()
    assert rail is not None
    page.mouse.click(rail["x"] + 2, rail["y"] + rail["height"] / 2)
    page.wait_for_timeout(500)
    assert place(page) == 0
    assert image_shares(page) == pytest.approx(shares_at(page_runs, 0))
    assert not sent


def test_it_plays(visit: Visit, page_server: str, page_runs: Path) -> None:
    page = drawn(visit, f"{page_server}/emergence?run=small&layer=2")
    page.locator(".updatemenu-button").first.click()
    seen = set()
    for _ in range(200):
        seen.add(place(page))
        if len(seen) == 3:
            break
        page.wait_for_timeout(20)
    page.wait_for_timeout(500)
    assert len(seen) > 1
    assert place(page) == 2
    assert image_shares(page) == pytest.approx(shares_at(page_runs, 20))


def test_two_runs_stand_side_by_side(visit: Visit, page_server: str) -> None:
    page = drawn(visit, f"{page_server}/emergence?run=small")
    choose(page, "Compare with", "sparse")
    expect(page).to_have_url(re.compile("versus=sparse"))
    settled(page)
    no_error(page)
    first, second = (
        page.locator(".js-plotly-plot").nth(i).evaluate("plot => plot._fullLayout.yaxis.range")
        for i in (0, 1)
    )
    assert first == second
    left, right = (page.locator(".js-plotly-plot").nth(i).bounding_box() for i in (0, 1))
    assert left is not None
    assert right is not None
    assert abs(left["y"] - right["y"]) < 5
    assert left["x"] < right["x"]


def test_a_link_with_a_linear_axis(visit: Visit, page_server: str) -> None:
    page = drawn(visit, f"{page_server}/emergence?run=small&axis=linear&layer=1")
    timeline = page.locator(".js-plotly-plot").nth(1)
    assert timeline.evaluate("plot => plot._fullLayout.xaxis.type") == "linear"
    expect(page.get_by_text("Loss and router metrics of block 1")).to_be_visible()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_fits_its_window(visit: Visit, page_server: str, width: int, scheme: str) -> None:
    address = f"{page_server}/emergence?run=small&versus=sparse"
    page = drawn(visit, address, width=width, scheme=scheme)
    no_error(page)
    no_sideways(page)
