"""The Zero-shot page in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

from playwright.sync_api import Locator, Page, expect

import analysis
from app.views.zero_shot import selection
from limoe_core.runs.directory import Run
from limoe_core.runs.predictions import Predictions
from tests.browser import pictures
from tests.browser.conftest import Visit
from tests.browser.page_runs import (
    becomes,
    figures,
    no_error,
    no_sideways,
    page_runs,
    page_server,
    settled,
)

__all__ = ["page_runs", "page_server"]  # fixtures


@pytest.fixture
def page(visit: Visit, page_server: str) -> Page:
    page = settled(visit(f"{page_server}/zero-shot?run=small"))
    expect(figures(page).first).to_be_visible()
    return page


def field(page: Page, label: str) -> Locator:
    """A field to type into."""
    return page.get_by_role("textbox", name=label)


def type_labels(page: Page, text: str) -> None:
    box = field(page, "Labels")
    box.fill(text)
    box.press("Control+Enter")
    settled(page)


def labels(page: Page, figure: int = 0) -> list[str]:
    """What is written beside the bars."""
    plot = page.locator(".js-plotly-plot").nth(figure)
    return plot.locator(".yaxislayer-above text, .ytick text").all_text_contents()


def upload(page: Page, contents: dict[str, bytes]) -> None:
    """Brings pictures by their names, all at once."""
    page.get_by_role("button", name="Your pictures").click()
    kind = "application/octet-stream"
    files = [
        {"name": name, "mimeType": kind, "buffer": content} for name, content in contents.items()
    ]
    page.locator('input[type="file"]').set_input_files(files)  # type: ignore[arg-type]
    expect(page.get_by_test_id("stFileChip")).to_have_count(len(files))
    settled(page)
    page.keyboard.press("Escape")


# ---- classify


def test_pictures_are_classified_at_once(page: Page) -> None:
    no_error(page)
    expect(figures(page)).to_have_count(4)
    expect(page.get_by_text("learned temperature")).to_be_visible()
    expect(page.get_by_text("not built on this machine")).to_be_visible()


def test_a_typed_label_in_any_language_is_a_class(page: Page) -> None:
    type_labels(page, "red apple\nكلب\n赤いりんご")
    becomes(lambda: set(labels(page)), {"red apple", "كلب", "赤いりんご"})
    expect(page).to_have_url(re.compile("labels="))
    no_error(page)


def test_a_link_brings_labels_template_and_pictures(visit: Visit, page: Page) -> None:
    type_labels(page, "dog\nhouse")
    box = field(page, "Prompt template")
    box.fill("a small {}")
    box.press("Enter")
    expect(page).to_have_url(re.compile("template="))
    page.locator(".gallery .item").nth(3).click()
    expect(page).to_have_url(re.compile("pictures="))
    settled(page)
    other = settled(visit(page.url))
    expect(figures(other).first).to_be_visible()
    expect(field(other, "Labels")).to_have_value("dog\nhouse")
    expect(field(other, "Prompt template")).to_have_value("a small {}")
    becomes(lambda: labels(other), labels(page))


def test_markup_and_scripts_in_labels_are_text(page: Page) -> None:
    evil = "<img src=x onerror=\"document.title='hacked'\">"
    type_labels(page, f"<b>bold</b>\n{evil}\n**strong** $x$")
    becomes(lambda: "<b>bold</b>" in labels(page), True)
    assert any(label.startswith("<img") for label in labels(page))
    assert page.title() != "hacked"
    assert page.locator(".js-plotly-plot img").count() == 0


def test_no_label_one_label_the_same_label(page: Page) -> None:
    type_labels(page, "")
    expect(page.get_by_text("type some labels, one per line")).to_be_visible()
    type_labels(page, "dog")
    expect(page.get_by_text("With a single label, every picture gets it")).to_be_visible()
    type_labels(page, "dog\ndog\nhouse")
    expect(page.get_by_text("counted once")).to_be_visible()
    becomes(lambda: sorted(labels(page)), ["dog", "house"])
    no_error(page)


def test_ten_thousand_characters(page: Page) -> None:
    type_labels(page, "dog\n" + "very " * 2000)
    expect(page.get_by_text("it did not see")).to_be_visible()
    becomes(lambda: len(labels(page)), 2)
    no_error(page)
    no_sideways(page)


def test_a_template_without_a_place_for_the_label(page: Page) -> None:
    box = field(page, "Prompt template")
    box.fill("a picture")
    box.press("Enter")
    expect(page.get_by_text("has no {} where the label goes")).to_be_visible()
    expect(figures(page).first).to_be_visible()


def test_an_uploaded_picture_is_classified_first(page: Page) -> None:
    upload(page, {"mine.png": pictures.encoded(pictures.plain())})
    expect(page.get_by_text("mine.png")).to_be_visible()
    expect(figures(page)).to_have_count(5)
    no_error(page)


def test_bad_files_get_a_sentence_each_and_nothing_is_lost(page: Page) -> None:
    type_labels(page, "dog\nhouse")
    upload(
        page,
        {
            "notes.png": b"these are words",
            "half.png": pictures.truncated(),
            "bomb.png": pictures.bomb(),
        },
    )
    for sentence in ("not a picture", "damaged or cut off", "million"):
        expect(page.get_by_text(sentence)).to_be_visible()
    expect(field(page, "Labels")).to_have_value("dog\nhouse")
    expect(figures(page)).to_have_count(4)


def test_every_kind_of_picture_is_read(page: Page) -> None:
    kinds = {
        "animated": pictures.animated(),
        "16-bits": pictures.sixteen_bits(),
        "cmyk": pictures.cmyk(),
        "palette": pictures.palette(),
        "transparent": pictures.transparent(),
        "1x1": pictures.encoded(pictures.plain((1, 1))),
        "strip": pictures.encoded(pictures.plain((10000, 20))),
    }
    upload(page, kinds)
    expect(figures(page)).to_have_count(selection.MOST)
    for name in kinds:
        expect(page.get_by_text(name, exact=True).last).to_be_visible()
    no_error(page)


def test_two_readers_do_not_see_each_others_pictures(
    visit: Visit, page: Page, page_server: str
) -> None:
    upload(page, {"mine.png": pictures.encoded(pictures.plain())})
    expect(page.get_by_text("mine.png")).to_be_visible()
    other = settled(visit(f"{page_server}/zero-shot?run=small"))
    expect(figures(other)).to_have_count(4)
    expect(other.get_by_text("mine.png")).to_have_count(0)


# ---- search


def test_a_text_finds_pictures_and_a_click_classifies_one(visit: Visit, page_server: str) -> None:
    page = settled(visit(f"{page_server}/zero-shot?run=small&show=search"))
    box = field(page, "Text, in any language")
    box.fill("perro <b>grande</b>")
    box.press("Enter")
    expect(page.locator(".tile")).to_have_count(6)
    expect(page).to_have_url(re.compile("q=perro"))
    settled(page)
    similarity = [float(text) for text in page.locator(".tile .detail").all_text_contents()]
    assert similarity == sorted(similarity, reverse=True)
    page.locator(".tile").nth(1).click()
    expect(field(page, "Labels")).to_be_visible()
    expect(figures(page)).to_have_count(1)
    no_error(page)


def test_a_picture_finds_texts(visit: Visit, page_server: str) -> None:
    page = settled(visit(f"{page_server}/zero-shot?run=small&show=search&find=texts"))
    expect(figures(page)).to_have_count(1)
    becomes(lambda: "<b>bold</b>" in labels(page), True)
    no_error(page)


# ---- accuracy and confusions


def test_accuracy_beside_the_dense_twin(visit: Visit, page_server: str, page_runs: Path) -> None:
    page = settled(visit(f"{page_server}/zero-shot?run=small&show=accuracy"))
    no_error(page)
    beside = page.locator('[data-testid="stSelectbox"]', has_text="Compare with")
    expect(beside.locator("input")).to_have_value("dense (dense twin)")
    frame = analysis.accuracy_frame(Run.open(page_runs / "small"), 20)
    head = frame.query("group == 'headline' and k == 1").iloc[0]
    expect(page.get_by_text(f"{head['value']:.1%} ({head['low']:.1%}").first).to_be_visible()
    legend = page.locator(".js-plotly-plot").first.locator(".legendtext")
    expect(legend.filter(has_text=re.compile("^small$")).first).to_be_visible()
    expect(legend.filter(has_text=re.compile("^dense$")).first).to_be_visible()


def test_a_confusion_is_picked_in_the_table(
    visit: Visit, page_server: str, page_runs: Path
) -> None:
    page = settled(visit(f"{page_server}/zero-shot?run=small&show=confusions"))
    no_error(page)
    frame = analysis.confusions(Predictions.load(page_runs / "small", "zero_shot_test_style", 20))
    assert len(frame) > 1
    table = page.locator('[data-testid="stDataFrame"]').first
    table.scroll_into_view_if_needed()
    box = table.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 20, box["y"] + 35 * 2.5)  # the second row, below the heading
    expect(page).to_have_url(re.compile("confusion="))
    settled(page)
    expect(page.get_by_text("Misclassified pictures", exact=True)).to_be_visible()
    named = page.get_by_text(re.compile("^Pictures of (?!the category)"))
    expect(named.first).to_contain_text(frame["concept"].iloc[1])
