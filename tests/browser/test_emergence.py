"""The Emergence page in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

from playwright.sync_api import Page, expect

import analysis
from limoe_core.runs.directory import Run
from tests.browser.asking import no_question
from tests.browser.conftest import Visit
from tests.browser.page_runs import (
    becomes,
    choose,
    figures,
    no_error,
    page_runs,
    page_server,
    settled,
)

__all__ = ["page_runs", "page_server"]  # fixtures


def drawn(visit: Visit, address: str, **options: object) -> Page:
    page = settled(visit(address, **options))
    expect(figures(page).first).to_be_visible()
    return page


def heights(page: Page) -> list[float]:
    """What the bars of the first run show of the images, as shares of the highest."""
    shown = page.locator(".run").first.locator(".expert rect:nth-of-type(2)")
    found = np.array(shown.evaluate_all("all => all.map(x => Number(x.getAttribute('height')))"))
    return (found / found.max()).tolist()


def shares_at(runs: Path, step: int) -> list[float]:
    frame = analysis.roles(Run.open(runs / "small").probe(step)).query("layer == 2")
    return (frame["image_share"] / frame["image_share"].max()).tolist()


def test_the_slider_moves_by_keyboard_and_without_the_server(
    visit: Visit, page_server: str, page_runs: Path
) -> None:
    page = drawn(visit, f"{page_server}/emergence?run=small&layer=2")
    no_error(page)
    slider = page.get_by_role("slider", name="Step")
    expect(slider).to_have_attribute("aria-valuetext", "step 20")
    assert heights(page) == pytest.approx(shares_at(page_runs, 20), abs=1e-3)
    with no_question(page):
        slider.focus()
        page.keyboard.press("ArrowLeft")
        assert heights(page) == pytest.approx(shares_at(page_runs, 10), abs=1e-3)
        page.keyboard.press("Home")
        expect(page.locator(".now")).to_have_text("step 0")
        assert heights(page) == pytest.approx(shares_at(page_runs, 0), abs=1e-3)
        page.locator(".expert").first.focus()
        page.keyboard.press("ArrowRight")
        expect(page.locator(".said")).to_contain_text("E1 at step 0")


def test_it_plays_by_keyboard_to_the_end(visit: Visit, page_server: str) -> None:
    page = drawn(visit, f"{page_server}/emergence?run=small&layer=2")
    page.get_by_role("button", name="Play").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".now")).to_have_text("step 0")
    expect(page.locator(".now")).to_have_text("step 20")
    expect(page.get_by_role("button", name="Play")).to_be_visible()


def test_two_runs_stand_side_by_side_in_step(visit: Visit, page_server: str) -> None:
    page = drawn(visit, f"{page_server}/emergence?run=small")
    choose(page, "Compare with", "sparse")
    expect(page).to_have_url(re.compile("versus=sparse"))
    settled(page)
    no_error(page)
    expect(page.locator(".run")).to_have_count(2)
    left, right = (page.locator(".run").nth(i).bounding_box() for i in (0, 1))
    assert left is not None
    assert right is not None
    assert abs(left["y"] - right["y"]) < 5
    assert left["x"] < right["x"]
    page.get_by_role("slider", name="Step").press("ArrowLeft")
    page.locator(".run").nth(0).locator(".expert").first.hover()
    page.locator(".run").nth(1).locator(".expert").first.hover()
    expect(page.locator(".said").nth(0)).to_contain_text("E0 at step 10:")
    expect(page.locator(".said").nth(1)).to_contain_text("E0 at step 0:")  # its probe before that


def test_a_link_with_a_linear_axis(visit: Visit, page_server: str) -> None:
    page = drawn(visit, f"{page_server}/emergence?run=small&axis=linear&layer=1")
    timeline = page.locator(".js-plotly-plot").first
    becomes(lambda: timeline.evaluate("plot => plot._fullLayout?.xaxis.type"), "linear")
    expect(page.get_by_text("Loss and router metrics of block 1")).to_be_visible()
