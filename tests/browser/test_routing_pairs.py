"""Texts and pictures of a reader's own on the Routing page, and what can be taken away."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

from PIL import Image
from playwright.sync_api import Page, expect

import analysis
from analysis.colours import expert_colour
from limoe_core.trace import RoutingTrace
from tests.app.example_runs import PAIRS, SIZE, picture
from tests.browser import pictures
from tests.browser.conftest import PATIENCE, Visit
from tests.browser.page_runs import becomes, settled
from tests.browser.routing_page import (
    drawn,
    experts_of,
    first,
    page,
    patches,
    run,
    shown_picture,
    shows,
    type_text,
    upload,
)

__all__ = ["first", "page", "run"]  # fixtures

expect.set_options(timeout=PATIENCE)


# ---- texts


def test_a_typed_text_is_routed_beside_the_picture(page: Page) -> None:
    type_text(page, "a blue dog")
    expect(page.locator(".piece .word").first).to_have_text("␣a")
    expect(page.locator(".foot")).to_contain_text("Routed alone")
    expect(page).to_have_url(re.compile(r"text=a(\+|%20)blue(\+|%20)dog"))


def test_a_text_from_right_to_left_runs_from_right_to_left(page: Page) -> None:
    type_text(page, "سیب قرمز")
    expect(page.locator(".pieces")).to_have_attribute("dir", "rtl")
    places = page.locator(".piece").evaluate_all(
        "all => all.map(x => x.getBoundingClientRect()).map(box => [Math.round(box.top), box.left])"
    )
    in_first_line = [left for top, left in places if top == places[0][0]]
    assert len(in_first_line) > 1
    assert in_first_line == sorted(in_first_line, reverse=True)


@pytest.mark.parametrize(
    "text", ["<img src=x onerror='window.hacked=1'>", "<script>window.hacked=1</script>"]
)
def test_markup_in_a_text_is_shown_as_text(visit: Visit, server: str, text: str) -> None:
    page = drawn(visit(server))
    type_text(page, text)
    expect(page.locator(".foot")).to_contain_text("Routed alone")
    written = "".join(page.locator(".piece .word").all_text_contents()).replace("␣", "")
    written = re.sub(r"<0x(..)>", lambda code: chr(int(code[1], 16)), written)
    assert written.startswith("<")
    assert text.lower().replace(" ", "").startswith(written)
    assert page.evaluate("window.hacked") is None
    assert page.locator(".side img, .side script").count() == 0


def test_markup_in_a_link_is_shown_as_text(visit: Visit, server: str) -> None:
    page = drawn(visit(f"{server}/?step=%3Cimg%20src%3Dx%20onerror%3D'window.hacked%3D1'%3E"))
    expect(page.get_by_text("is not a whole number")).to_be_visible()
    assert page.evaluate("window.hacked") is None


def test_markup_in_a_caption_is_shown_as_text(visit: Visit, server: str) -> None:
    page = drawn(visit(f"{server}/?example=5"))
    expect(page.locator(".item[aria-selected=true] .caption")).to_have_text(PAIRS[5][0])
    assert page.locator(".item b, .side b").count() == 0


def test_an_empty_text_is_answered_with_a_sentence_and_the_picture(page: Page) -> None:
    type_text(page, "")
    expect(page.get_by_text("The text is empty")).to_be_visible()
    expect(patches(page)).to_have_count(16)
    expect(page.locator(".piece")).to_have_count(0)


def test_unknown_characters_are_shown_as_bytes(page: Page) -> None:
    type_text(page, "ሰላም")
    expect(page.locator(".word.byte").first).to_have_text("<0xE1>")
    expect(page.locator(".note")).to_contain_text("stand for one byte each")


def test_ten_thousand_characters(page: Page) -> None:
    type_text(page, "red apple " * 1000)
    expect(page.get_by_text("Cut off:")).to_be_visible()
    expect(page.locator(".piece")).to_have_count(12)


# ---- pictures


Colour = tuple[int, int, int]


#: Files of all kinds, the colour that each shows in its middle, and by how much that may be off.
KINDS: dict[str, tuple[Callable[[], bytes], Colour, int]] = {
    "plain": (lambda: pictures.encoded(pictures.plain()), pictures.COLOUR, 0),
    "transparent": (pictures.transparent, (255, 255, 255), 0),
    "cmyk": (pictures.cmyk, pictures.COLOUR, 12),
    "16 bits": (pictures.sixteen_bits, (64, 64, 64), 1),
    "palette": (pictures.palette, pictures.COLOUR, 0),
    "animated": (pictures.animated, (255, 0, 0), 0),
    "1x1": (lambda: pictures.encoded(pictures.plain((1, 1))), pictures.COLOUR, 8),
}


def test_an_uploaded_picture_of_any_kind_has_the_right_colours(page: Page) -> None:
    for name, (make, colour, tolerance) in KINDS.items():
        upload(page, f"{name}.bin", make())
        expect(page.get_by_text(f"In use: {name}.bin")).to_be_visible()
        becomes(lambda near=(colour, tolerance): shows(page, *near), True)
        expect(page.locator(".foot")).to_contain_text("Routed alone")
        expect(page.get_by_text("its first frame is used")).to_have_count(int(name == "animated"))


def test_a_strip_of_ten_thousand_by_twenty_pixels(page: Page) -> None:
    upload(page, "strip.png", pictures.encoded(pictures.plain((10000, 20))))
    expect(page.get_by_text("In use: strip.png")).to_be_visible()
    becomes(lambda: shown_picture(page).shape[0] > SIZE, True)  # sharp, and not the example's
    shown = shown_picture(page).astype(int)
    assert np.abs(shown[0, 0] - 255).max() == 0, "white above"
    assert shown[shown.shape[0] // 2].mean() < 255


#: Files that are no pictures, and what is said of them.
REFUSED = {
    "notes.txt": (b"not a picture at all", "not a picture"),
    "half.png": (pictures.truncated(), "damaged or cut off"),
    "empty.png": (b"", "not a picture"),
    "bomb.png": (pictures.bomb(), "million"),
    "<img src=x onerror=hacked=1>.png": (b"x", "not a picture"),
}


def test_what_is_no_picture_is_refused_with_a_sentence_and_nothing_is_lost(page: Page) -> None:
    type_text(page, "a blue dog")
    expect(page.locator(".foot")).to_contain_text("Routed alone")
    for name, (content, sentence) in REFUSED.items():
        upload(page, name, content)
        said = page.get_by_test_id("stAlert").filter(has_text=f"{name}: ")
        expect(said).to_contain_text(sentence)
        settled(page)
        expect(patches(page)).to_have_count(16)
        becomes(lambda: np.array_equal(shown_picture(page), picture(0)), True)
        expect(page.locator(".piece .word").first).to_have_text("␣a")
    assert page.evaluate("window.hacked") is None


# ---- taking it away


def test_the_view_leaves_as_svg_and_png(page: Page, first: RoutingTrace, tmp_path: Path) -> None:
    with page.expect_download() as download:
        page.locator("[data-action=svg]").click()
    download.value.save_as(tmp_path / "view.svg")
    assert download.value.suggested_filename == "routing-small-step20-block2.svg"
    root = ElementTree.parse(tmp_path / "view.svg").getroot()
    fills = [node.get("fill") for node in root.iter() if node.tag.endswith("rect")]
    for expert in set(experts_of(first, 1)):
        at_least = experts_of(first, 1).count(expert)
        assert fills.count(expert_colour(expert)) >= at_least
    texts = " ".join(node.text or "" for node in root.iter() if node.tag.endswith("text"))
    assert "small, step 20, block 2" in texts
    with page.expect_download() as download:
        page.locator("[data-action=png]").click()
    download.value.save_as(tmp_path / "view.png")
    with Image.open(tmp_path / "view.png") as image:
        assert image.width > 1000
        assert len(image.convert("RGB").getcolors(10**7) or []) > 20


def test_the_data_leave_as_csv(page: Page, first: RoutingTrace, tmp_path: Path) -> None:
    page.get_by_text("Export this routing").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Data as CSV").click()
    download.value.save_as(tmp_path / "data.csv")
    found = pd.read_csv(tmp_path / "data.csv", keep_default_na=False)
    expected = analysis.to_frame(first)
    assert list(found.columns) == list(expected.columns)
    assert found["expert"].tolist() == expected["expert"].tolist()
    assert np.allclose(found["gate"], expected["gate"])
