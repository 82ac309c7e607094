"""The Experts page in a real browser."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
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
    no_error,
    page_runs,
    page_server,
    settled,
)

__all__ = ["page_runs", "page_server"]  # fixtures


def card(page: Page, expert: int):  # type: ignore[no-untyped-def]
    return page.locator(f'.card[data-expert="{expert}"]')


def test_the_first_thing_to_see_is_who_takes_what(visit: Visit, page_server: str) -> None:
    page = settled(visit(f"{page_server}/experts?run=small"))
    no_error(page)
    expect(page.get_by_text("Modality NMI, block 2")).to_be_visible()
    # The first chart of the page: a later one may be drawn before it.
    chart = page.locator('[data-testid="stPlotlyChart"]').first
    expect(chart.locator(".main-svg").first).to_be_visible()
    box = chart.bounding_box()
    assert box is not None
    assert box["y"] < 400  # in sight without scrolling, at 1280 by 720


def test_the_layer_is_chosen_in_the_sidebar_and_kept_in_the_address(
    visit: Visit, page_server: str
) -> None:
    page = settled(visit(f"{page_server}/experts?run=small"))
    choose(page, "Layer", "block 1")
    expect(page.get_by_text("Modality NMI, block 1")).to_be_visible()
    expect(page).to_have_url(re.compile("layer=1"))


def test_cards_show_crops_and_words_of_every_expert(
    visit: Visit, page_server: str, page_runs: Path
) -> None:
    page = settled(visit(f"{page_server}/experts?run=small&view=closely&layer=2"))
    roles = analysis.roles(Run.open(page_runs / "small").probe(20)).query("layer == 2")
    expect(page.locator(".card")).to_have_count(4)
    for row in roles.itertuples():
        mine = card(page, row.expert)
        expect(mine).to_contain_text(f"(n = {row.image_tokens:,})")
        assert mine.locator(".patch").count() == min(12, _pictures_of(page_runs, row.expert))
        if row.text_tokens == 0:
            expect(mine).to_contain_text("No piece of text is routed here.")


def _pictures_of(runs: Path, expert: int) -> int:
    """How many of the probe pictures have a patch that chooses the expert in the second layer."""
    trace = Run.open(runs / "small").probe(20)
    mine = (trace.modality == 0) & (trace.expert[1, :, 0] == expert)
    return len(set(trace.pair[mine].tolist()))


def test_a_patch_tells_where_it_is_from_and_opens_its_pair(visit: Visit, page_server: str) -> None:
    page = settled(visit(f"{page_server}/experts?run=small&view=closely&layer=2&step=10"))
    patch = page.locator(".patch").first
    patch.hover()
    tip = page.locator(".tip")
    expect(tip).to_be_visible()
    expect(tip).to_contain_text(re.compile(r"gate 0\.\d\d · row \d, column \d of 4"))
    address = patch.get_attribute("href")
    assert address is not None
    assert "run=small&step=10&layer=2&example=" in address
    routing = visit(f"{page_server}/{address.removeprefix('./')}")
    expect(routing.locator(".layer").first).to_be_visible()
    token = address.split("token=i")[1]
    expect(routing.locator(".patch.followed")).to_have_attribute("data-token", token)
    expect(routing).to_have_url(re.compile("example=" + address.split("example=")[1].split("&")[0]))


def test_the_zoom_of_patches_asks_no_server(visit: Visit, page_server: str) -> None:
    page = settled(visit(f"{page_server}/experts?run=small&view=closely"))
    with no_question(page):
        before = page.locator(".patch").first.evaluate("x => x.style.backgroundSize")
        page.get_by_role("radio", name="the patch alone").click()
        after = page.locator(".patch").first.evaluate("x => x.style.backgroundSize")
        assert before != after
        assert page.locator(".patch .frame").count() == 0
        page.get_by_role("radio", name="the patch alone").press("ArrowRight")
        assert page.locator(".patch .frame").count() == page.locator(".patch").count()


def test_an_expert_is_picked_by_mouse_or_keyboard(visit: Visit, page_server: str) -> None:
    page = settled(visit(f"{page_server}/experts?run=small&view=closely"))
    card(page, 2).locator(".head").click()
    expect(page.get_by_text("E2 of block 2 in detail")).to_be_visible()
    expect(page).to_have_url(re.compile("expert=2"))
    card(page, 1).locator(".head").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("E1 of block 2 in detail")).to_be_visible()


def test_patches_are_walked_with_the_arrow_keys(visit: Visit, page_server: str) -> None:
    page = settled(visit(f"{page_server}/experts?run=small&view=closely"))
    strip = page.locator(".card", has=page.locator(".patch:nth-child(1)")).filter(
        has=page.locator(".patches li:nth-child(2)")
    )
    patches = strip.first.locator(".patch")
    patches.nth(0).focus()
    expect(page.locator(".tip")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(patches.nth(1)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".tip")).to_be_hidden()


def test_markup_in_captions_is_shown_as_text(visit: Visit, page_server: str) -> None:
    page = settled(visit(f"{page_server}/experts?run=small&view=closely&layer=2"))
    expect(page.locator(".patch").first).to_be_visible()
    said = []
    for patch in page.locator(".patch").all():
        patch.focus()
        said.append(page.locator(".tip .title").text_content())
    assert "<b>bold</b>" in said
    assert page.locator(".tip b, .card b").count() == 0


def test_a_figure_leaves_as_svg_png_and_csv(
    visit: Visit, page_server: str, page_runs: Path, tmp_path: Path
) -> None:
    page = settled(visit(f"{page_server}/experts?run=small&step=20"))
    plot = page.locator(".js-plotly-plot").first
    plot.hover()
    with page.expect_download() as download:
        plot.locator('[data-title^="Download plot"]').first.click()
    download.value.save_as(tmp_path / "figure.svg")
    assert download.value.suggested_filename == "shares-small-step20-block2.svg"
    assert ElementTree.parse(tmp_path / "figure.svg").getroot().tag.endswith("svg")

    page.locator('[data-testid="stSidebar"]').get_by_text("PNG").click()
    becomes(lambda: plot.evaluate("plot => plot._context?.toImageButtonOptions.format"), "png")
    settled(page)
    plot.hover()
    with page.expect_download() as download:
        plot.locator('[data-title^="Download plot"]').first.click()
    download.value.save_as(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes()[:4] == b"\x89PNG"

    page.get_by_text("Export", exact=True).first.click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Data as CSV").first.click()
    download.value.save_as(tmp_path / "data.csv")
    wanted = analysis.roles(Run.open(page_runs / "small").probe(20)).query("layer == 2")
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "data.csv"), wanted.reset_index(drop=True), check_dtype=False
    )


def test_a_link_says_all_of_a_view(visit: Visit, page_server: str) -> None:
    address = "experts?run=small&step=10&layer=1&view=preferences&tokens=text&by=language"
    page = settled(visit(f"{page_server}/{address}"))
    expect(page.get_by_text("Experts of block 1 by language")).to_be_visible()
    expect(page.get_by_text("Step 10. n = 6 pairs")).to_be_visible()
