"""axe-core on every page and tab, light and dark: no violation."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

import axe_playwright_python as axe
from playwright.sync_api import Page

from app.views import PAGES
from tests.browser.conftest import PATIENCE, Visit
from tests.browser.page_runs import page_runs, page_server, settled

__all__ = ["page_runs", "page_server"]  # fixtures

SCRIPT = (Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
#: Rules beyond the default ones. What a control says must be part of its name: people say it to it.
RULES = {"label-content-name-mismatch": {"enabled": True}}
#: How the address bar names a page's tab, where it is not "view".
TAB = {"zero_shot": "show"}
#: Views with something in them that a page does not open with.
FURTHER = [
    "?run=small&token=t1",  # a followed token, and the others dimmed
    "?run=small&pin=2&example=4&text=a+blue+dog",
    "emergence?run=small&versus=sparse",
    "experts?run=small&view=preferences&tokens=text&by=language",
    "zero-shot?run=small&show=search&find=texts",
]


#: Parts of Streamlit are fetched when they are first needed, our rules of style among them.
ALL_THERE = """() => document.querySelector('[data-testid=stHtml] style') !== null
  && document.querySelectorAll('[data-testid=stSkeleton]').length === 0"""


def addresses() -> list[str]:
    """Every page with every tab that it has."""
    found = []
    for entry in PAGES:
        tabs = getattr(importlib.import_module(f"app.views.{entry.module}.page"), "_VIEWS", {})
        name = TAB.get(entry.module, "view")
        path = "" if entry is PAGES[0] else entry.path
        found += [f"{path}?run=small&{name}={tab}" for tab in tabs] or [f"{path}?run=small"]
    return [*found, *FURTHER]


def violations(page: Page) -> list[str]:
    """What axe finds, each with the element and what is wrong with it."""
    found = page.evaluate(
        "rules => axe.run(document, { resultTypes: ['violations'], rules })", RULES
    )
    return [
        f"{rule['id']}: {node['html'][:200]}: {node['failureSummary'][:300]}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("address", addresses())
def test_axe_finds_nothing_light_or_dark(visit: Visit, page_server: str, address: str) -> None:
    page = settled(visit(f"{page_server}/{address}"))
    page.wait_for_function(ALL_THERE, timeout=PATIENCE)
    page.wait_for_timeout(500)
    page.evaluate(SCRIPT)
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(1000)
    assert violations(page) == []
