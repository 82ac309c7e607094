"""axe-core on every page and tab, and what opens there: no violation; and all fits its window."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

import axe_playwright_python as axe
from playwright.sync_api import Page, expect

from app.views import PAGES, Entry
from tests.browser.conftest import PATIENCE, Visit
from tests.browser.page_runs import (
    becomes,
    no_error,
    no_sideways,
    page_runs,
    page_server,
    settled,
)

__all__ = ["page_runs", "page_server"]  # fixtures

SCRIPT = (Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
#: Rules beyond the default ones. What a control says must be part of its name: people say it to it.
RULES = {"rules": {"label-content-name-mismatch": {"enabled": True}}}
#: Rules about colours: the others see the same page in the dark.
OF_COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}
#: Faults in parts that Streamlit draws, out of reach of our pages: by rule, and what the part has.
STREAMLITS = [
    ("presentation-role-conflict", 'data-testid="stFileUploaderDropzone"'),
    ("empty-table-header", 'role="columnheader"'),  # above the boxes that select rows
]
#: How the address bar names a page's tab, where it is not "view".
TAB = {"zero_shot": "show", "compare": "show"}
#: Views with something in them that a page does not open with.
FURTHER = [
    "?run=small&token=t1",  # a followed token, and the others dimmed
    "?run=small&pin=2&example=4&text=a+blue+dog",
    "emergence?run=small&versus=sparse",
    "experts?run=small&view=preferences&tokens=text&by=language",
    "zero-shot?run=small&show=search&find=texts",
    "?run=small&slice=category:Food&called=mine",
    "interventions?run=small&slice=category:Food",
    "embeddings?run=small&point=i1",
    "compare?run=small&show=zero-shot&slice=picture:1F34E.openmoji,1F415.twemoji",
    "experts?run=dense",
    "training?run=dense",
]
#: What opens when it is clicked, over the page and within it.
POPOVER, BOX = '[data-testid="stPopover"] button', '[data-testid="stExpander"] summary'


#: Parts of Streamlit are fetched when they are first needed, our rules of style among them.
ALL_THERE = """() => document.querySelector('[data-testid=stHtml] style') !== null
  && document.querySelectorAll('[data-testid=stSkeleton]').length === 0"""
#: Until nothing has changed for a while and no colour is on its way to another.
STILL = """() => new Promise((done) => {
  const end = performance.now() + 20000;
  let changed = performance.now();
  const watch = new MutationObserver(() => (changed = performance.now()));
  watch.observe(document, { subtree: true, childList: true, attributes: true });
  const look = setInterval(() => {
    const moving = document.getAnimations().some((each) => each instanceof CSSTransition);
    const still = performance.now() - changed > 250 && !moving;
    if (!still && performance.now() < end) return;
    clearInterval(look);
    watch.disconnect();
    done();
  }, 50);
})"""
GROUND = "() => getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"


def tabs() -> dict[str, str]:
    """The title of every tab by its address."""
    found = {}
    for entry in PAGES:
        views = getattr(importlib.import_module(f"app.views.{entry.module}.page"), "_VIEWS", {})
        for name, title in views.items():
            address = f"{entry.path}?run=small&{TAB.get(entry.module, 'view')}={name}"
            found[address] = title if isinstance(title, str) else title[0]
    return found


def addresses() -> list[str]:
    """Every page with every tab that it has, and more of what is on it."""
    paths = ["" if entry is PAGES[0] else entry.path for entry in PAGES]
    whole = [path for path in paths if not any(tab.startswith(f"{path}?") for tab in tabs())]
    return [*(f"{path}?run=small" for path in whole), *tabs(), *FURTHER]


def violations(page: Page, rules: dict[str, Any] = RULES) -> list[str]:
    """What axe finds, each with the element and what is wrong with it."""
    found = page.evaluate(
        "rules => axe.run(document, { resultTypes: ['violations'], ...rules })", rules
    )
    return [
        f"{rule['id']}: {node['html'][:200]}: {node['failureSummary'][:300]}"
        for rule in found["violations"]
        for node in rule["nodes"]
        if not any(rule["id"] == theirs and part in node["html"] for theirs, part in STREAMLITS)
    ]


def there(page: Page) -> Page:
    """Waits until all of a page is there, and axe in it."""
    page.wait_for_function(ALL_THERE, timeout=PATIENCE)
    page.evaluate(STILL)
    page.evaluate(SCRIPT)
    return page


def dark(page: Page) -> None:
    light = page.evaluate(GROUND)
    page.emulate_media(color_scheme="dark")
    becomes(lambda: page.evaluate(GROUND) == light, False)
    page.evaluate(STILL)


@pytest.mark.parametrize("address", addresses())
def test_axe_finds_nothing_light_or_dark_and_all_fits_its_window(
    visit: Visit, page_server: str, address: str
) -> None:
    """In one opening of each page, which takes longer than all that is asked of it."""
    page = there(settled(visit(f"{page_server}/{address}")))
    if title := tabs().get(address):
        chosen = page.get_by_role("radio", name=title, exact=True, checked=True)
        expect(chosen.first).to_be_visible()
    no_error(page)
    no_sideways(page)
    assert violations(page) == []
    dark(page)
    assert violations(page, OF_COLOURS) == []
    page.set_viewport_size({"width": 390, "height": 844})
    page.evaluate(STILL)
    no_sideways(page)


@pytest.mark.parametrize("entry", PAGES, ids=[entry.module for entry in PAGES])
def test_axe_finds_nothing_in_what_opens_on_a_page(
    visit: Visit, page_server: str, entry: Entry
) -> None:
    path = "" if entry is PAGES[0] else entry.path
    page = there(settled(visit(f"{page_server}/{path}?run=small")))
    for box in page.locator(BOX).all():
        box.click()
        settled(page)
    assert violations(page) == []
    dark(page)
    assert violations(page, OF_COLOURS) == []
    for button in page.locator(POPOVER).all():
        if button.is_enabled():
            button.click()
            expect(page.get_by_test_id("stPopoverBody")).to_be_visible()
            assert violations(page) == []
            page.keyboard.press("Escape")
            expect(page.get_by_test_id("stPopoverBody")).to_have_count(0)
