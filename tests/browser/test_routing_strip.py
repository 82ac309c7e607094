"""The strip of a pair over training, of a run with many probe steps."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

from playwright.sync_api import expect

from limoe_core.runs import Run
from tests.browser.conftest import Serve, Visit
from tests.browser.page_runs import no_sideways, settled


def test_it_opens_on_the_step_in_view_and_widens_no_page(
    serve: Serve, visit: Visit, runs_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(runs_folder / "small", tmp_path / "long")
    run = Run.open(tmp_path / "long")
    for step in range(21, 45):
        run.save_probe(step, run.probe(20))
    page = settled(visit(serve(tmp_path), width=390))
    expect(page.locator(".stage")).to_have_count(24)
    no_sideways(page)
    strip = page.locator(".strip", has=page.locator(".stage"))
    current = page.locator('.stage[aria-selected="true"]')
    expect(current).to_contain_text("44")
    page.wait_for_function("strip => strip.scrollLeft > 0", arg=strip.element_handle())
    current.scroll_into_view_if_needed()
    expect(current).to_be_in_viewport()
