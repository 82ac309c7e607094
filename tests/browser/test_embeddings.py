"""The Embeddings page in a real browser."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.page_runs import (
    becomes,
    no_error,
    no_sideways,
    page_runs,
    page_server,
    settled,
)

__all__ = ["page_runs", "page_server"]  # fixtures


def opened(visit: Visit, address: str, **window: object) -> Page:
    page = settled(visit(address, **window))
    expect(page.locator(".scatter[data-ready]")).to_be_visible()
    no_error(page)
    return page


def test_the_map_fits_a_phone(visit: Visit, page_server: str) -> None:
    page = opened(visit, f"{page_server}/embeddings?run=small", width=390, scheme="dark")
    no_sideways(page)
    box = page.locator(".map").bounding_box()
    assert box is not None and box["height"] <= box["width"] + 1


def test_points_are_reached_by_keyboard_and_colour_is_in_the_address(
    visit: Visit, page_server: str
) -> None:
    page = opened(visit, f"{page_server}/embeddings?run=small")
    page.locator(".map").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".scatter .live")).to_have_text(re.compile(", (picture|text), "))
    expect(page.locator(".tip")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nearest in the space")).to_be_visible()
    expect(page).to_have_url(re.compile(r"point=[it]\d"))
    settled(page)
    page.locator(".scatter select").select_option("block 2")
    expect(page).to_have_url(re.compile(r"by=block\+2"))
    settled(page.reload() and page)
    expect(page.locator(".scatter select")).to_have_value("block 2")
    page.locator(".map").focus()
    page.keyboard.press("Escape")
    expect(page.get_by_text("Nearest in the space")).to_have_count(0)


def test_a_circle_becomes_a_slice_that_other_pages_keep(visit: Visit, page_server: str) -> None:
    page = opened(visit, f"{page_server}/embeddings?run=small", height=1000)
    page.get_by_role("radio", name="Box").click()
    box = page.locator(".map").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 5, steps=4)
    page.mouse.up()
    expect(page.get_by_text(re.compile("^Slice: "))).to_be_visible()
    expect(page).to_have_url(re.compile("slice=pair"))
    settled(page)
    page.get_by_role("link", name="Experts").click()
    expect(page.get_by_text(re.compile("in the slice, of"))).to_be_visible()
    page.get_by_role("button", name="Leave").click()
    expect(page.get_by_text(re.compile("^Slice: "))).to_have_count(0)


def test_a_browser_without_webgl_draws_the_points_too(visit: Visit, page_server: str) -> None:
    page = visit("about:blank")
    page.add_init_script(
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...more) {"
        "  return kind === 'webgl2' ? null : get.call(this, kind, ...more); };"
    )
    page.goto(f"{page_server}/embeddings?run=small")
    expect(page.locator(".scatter[data-ready]")).to_be_visible()
    points = page.locator("canvas.points")
    drawn = (
        "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)"
        ".data.some(Boolean)"
    )
    becomes(lambda: points.evaluate(drawn), True)
