"""The Routing page on other screens, on other folders, and for several readers."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect

from analysis.colours import contrast, expert_label, luminance
from limoe_core.runs.directory import Run
from tests.app.example_runs import PAIRS, make_small
from tests.browser import pictures
from tests.browser.conftest import PATIENCE, Serve, Visit
from tests.browser.page_runs import becomes, settled
from tests.browser.routing_page import (
    drawn,
    experts_of,
    first,
    page,
    patches,
    run,
    shows,
    type_text,
    upload,
)

__all__ = ["first", "page", "run"]  # fixtures

expect.set_options(timeout=PATIENCE)


# ---- other screens, other folders, other readers


def test_a_phone_shows_the_picture_without_scrolling_sideways(visit: Visit, server: str) -> None:
    page = drawn(visit(server, width=390, height=844))
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390
    main = page.get_by_test_id("stMain").evaluate("x => [x.scrollWidth, x.clientWidth]")
    assert main[0] <= main[1]
    box = patches(page).nth(8).bounding_box()
    assert box is not None
    assert box["y"] < 844
    assert box["width"] > 30


def test_in_the_dark_text_is_light(visit: Visit, server: str) -> None:
    page = drawn(visit(server, scheme="dark"))
    colours = page.locator(".lens").evaluate(
        "x => [x, document.querySelector('.stApp')].map(node => getComputedStyle(node))"
        ".map((style, n) => n ? style.backgroundColor : style.color)"
    )
    ink, ground = (
        "#" + "".join(f"{int(value):02X}" for value in re.findall(r"\d+", colour)[:3])
        for colour in colours
    )
    assert luminance(ground) < 0.05
    assert contrast(ink, ground) >= 7


def test_folders_without_a_usable_run(visit: Visit, serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "later"
    address = serve(folder)
    page = visit(address)
    expect(page.get_by_text("does not exist")).to_be_visible()
    folder.mkdir()
    page.reload()
    expect(page.get_by_text("There is no run in")).to_be_visible()
    (folder / "torn").mkdir()
    (folder / "torn" / "config.json").write_text("{")
    page.reload()
    expect(page.get_by_text("None of the folders")).to_be_visible()


def test_broken_runs_are_listed_and_the_others_work(page: Page) -> None:
    page.get_by_text("3 folders not usable").click()
    for name in ("torn", "holiday-photos", "from-the-future"):
        expect(page.get_by_test_id("stSidebar").get_by_text(name)).to_be_visible()


def test_two_readers_do_not_disturb_each_other(visit: Visit, server: str) -> None:
    one, other = drawn(visit(server)), drawn(visit(server))
    type_text(one, "a blue dog")
    expect(one.locator(".foot")).to_contain_text("Routed alone")
    other.locator(".item").nth(2).click()
    expect(other.locator(".pieces")).to_have_attribute("dir", "rtl")
    expect(one.locator(".piece .word").first).to_have_text("␣a")
    expect(other.locator(".foot")).to_contain_text("one group of 6 pairs")


# ---- faults that people met


def test_who_picks_faster_than_the_server_answers_gets_the_last_pick(page: Page) -> None:
    page.locator(".item").nth(3).click()
    page.locator(".item").nth(0).click()
    settled(page)
    expect(page.locator(".item.waiting")).to_have_count(0)
    expect(page.locator(".item[aria-selected=true]")).to_have_attribute("data-id", "0")
    expect(page.locator(".side .caption")).to_have_text(PAIRS[0][0])
    expect(page).not_to_have_url(re.compile("example=3"))
    page.reload()
    expect(drawn(page).locator(".item[aria-selected=true]")).to_have_attribute("data-id", "0")


def test_a_picture_can_be_exchanged_for_another(page: Page) -> None:
    upload(page, "first.png", pictures.encoded(pictures.plain()))
    expect(page.get_by_text("In use: first.png")).to_be_visible()
    upload(page, "second.png", pictures.encoded(Image.new("RGB", (64, 64), "#0000FF")))
    expect(page.get_by_text("In use: second.png")).to_be_visible()
    becomes(lambda: shows(page, (0, 0, 255)), True)
    expect(page.locator(".foot")).to_contain_text("Routed alone")


def test_a_tap_on_a_link_after_a_tap_on_the_figure_opens_the_page(
    visitor: BrowserContext, server: str
) -> None:
    browser = visitor.browser
    assert browser is not None
    context = browser.new_context(has_touch=True, viewport={"width": 1024, "height": 800})
    try:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(server)
        drawn(page).get_by_role("radio", name="block 1").tap()
        page.locator(".patch").nth(5).tap()
        expect(page).to_have_url(re.compile(r"token=i5\b"))
        page.get_by_role("link", name="Experts").tap()
        expect(page).to_have_url(re.compile("/experts"))
    finally:
        context.close()


def test_two_pairs_stand_side_by_side_in_one_layer(page: Page, run: Run) -> None:
    page.get_by_role("button", name="Pin this pair").press("Enter")
    expect(page).to_have_url(re.compile("pin=0"))
    page.locator(".item").nth(2).click()
    expect(page.locator(".lens")).to_have_count(2)
    page.get_by_role("radio", name="block 1").first.click()
    seen = page.locator(".lens").nth(1).locator(".patch .label")
    expect(seen).to_have_text([str(e) for e in experts_of(run.probe(20).select([0]), 0)])
    expect(page.get_by_text("Rank of the text")).to_have_count(2)

    def apart() -> tuple[bool, bool]:
        """Whether the pinned pair stands to the right of the other, and below it."""
        one, other = (page.locator(".lens").nth(i).bounding_box() for i in (0, 1))
        assert one is not None and other is not None
        return other["x"] > one["x"] + 5, other["y"] > one["y"] + 5

    becomes(apart, (True, False))
    page.set_viewport_size({"width": 390, "height": 844})
    becomes(apart, (False, True))


#: The data of the pinned pair are on their way until "come" is set.
HELD = """window.limoeLensChannels = new class extends Map {
  has(name) { return (window.come || name !== "routing.pinned") && super.has(name); }
}"""
COME = """() => {
  window.come = true;
  window.dispatchEvent(new CustomEvent("limoe-lens-channel", { detail: "routing.pinned" }));
}"""


def test_a_pinned_pair_that_comes_late_is_shown_in_the_layer_beside_it(
    visit: Visit, server: str, run: Run
) -> None:
    page = visit("about:blank")
    page.add_init_script(HELD)
    page.goto(f"{server}/?pin=2")
    settled(drawn(page))
    page.get_by_role("radio", name="block 1").click()
    page.evaluate(COME)
    seen = page.locator(".lens").nth(1).locator(".patch .label")
    expect(seen).to_have_text([str(e) for e in experts_of(run.probe(20).select([2]), 0)])


def test_a_second_choice_is_on_the_followed_path(
    visit: Visit, serve: Serve, tmp_path: Path
) -> None:
    make_small(tmp_path / "runs" / "two", top_k=2)
    two = Run.open(tmp_path / "runs" / "two").probe(20).select([0])
    page = drawn(visit(f"{serve(tmp_path / 'runs')}/?token=i5"))
    experts = [[expert_label(int(e)) for e in layer[5]] for layer in two.expert]
    hops = page.locator(".hop")
    expect(hops).to_have_count(len(experts))
    assert [hop.locator(".where").all_text_contents() for hop in hops.all()] == experts
    page.keyboard.press("Escape")
    page.get_by_role("radio", name="block 2").click()
    page.keyboard.press("Escape")
    row = page.locator(".numbers tbody tr").first.locator("td").all_text_contents()
    image = two.modality == 0
    assert int(row[1]) == len(np.unique(two.expert[1, image]))
    assert int(row[-1]) == int(two.dropped[1, image].sum())
