"""The runs that Experts, Emergence and Zero-shot are tested on, and how to wait for a page."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from limoe_core import places
from tests.app.evaluated_runs import make_evaluated
from tests.browser.conftest import PATIENCE, Serve

expect.set_options(timeout=PATIENCE)

#: How the frontend says whether the script runs: "initial" before it ran at all.
_STATE, _AT_REST = "data-test-script-state", "notRunning"

_made: dict[Path, Path] = {}


@pytest.fixture(scope="session")
def page_runs(runs_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`small` and its dense twin, evaluated, and `sparse`, probed less often.

    Their data set is on no machine, so what a page shows does not depend on where it is tested.
    """
    if runs_folder not in _made:
        folder = make_evaluated(runs_folder, tmp_path_factory.mktemp("pages") / "runs")
        shutil.copytree(folder / "small", folder / "sparse")
        (folder / "sparse" / "probes" / "10.npz").unlink()
        for run in folder.iterdir():
            path = run / "config.json"
            stored = json.loads(path.read_text())
            stored["config"]["data"]["dir"] = str(folder.parent / "no-data")
            places.name(folder.parent / "no-data")  # or the page would look elsewhere
            path.write_text(json.dumps(stored))
        _made[runs_folder] = folder
    return _made[runs_folder]


@pytest.fixture(scope="session")
def page_server(serve: Serve, page_runs: Path) -> str:
    """Address of the dashboard on `page_runs`."""
    return serve(page_runs)


def figures(page: Page) -> Locator:
    """The Plotly figures that are drawn."""
    return page.locator(".js-plotly-plot .main-svg:first-child")


def settled(page: Page) -> Page:
    """Waits until the server has nothing more to say.

    Figures may be drawn a moment later than that: what is read of them must `becomes`.
    """
    app = page.get_by_test_id("stApp")
    if app.get_attribute(_STATE, timeout=PATIENCE) == _AT_REST:
        page.wait_for_timeout(300)  # what was asked for just now may not have begun
    expect(app).to_have_attribute(_STATE, _AT_REST)
    return page


def becomes(read: Callable[[], Any], wanted: Any) -> None:
    """Reads something of a page until it is what is wanted.

    A page says a change in words before its figures have it, and draws some of them after the
    script's end: what is read at once may be that of before.
    """
    end = time.monotonic() + PATIENCE / 1000
    while (found := read()) != wanted and time.monotonic() < end:
        time.sleep(0.05)
    assert found == wanted


def choose(page: Page, label: str, option: str) -> None:
    """Picks an option of a select box."""
    box = page.locator('[data-testid="stSelectbox"]', has_text=label)
    box.locator("input, [role=combobox]").first.click()
    page.get_by_role("option", name=option).click()
    settled(page)


def no_error(page: Page) -> None:
    """No trace of Python, and no box of an error."""
    for box in ("stException", "stAlertContentError"):
        assert page.locator(f'[data-testid="{box}"]').all_inner_texts() == []


def no_sideways(page: Page) -> None:
    """Nothing sticks out of the page."""
    over = page.evaluate(
        "() => { const main = document.querySelector('[data-testid=stMain]');"
        " return main.scrollWidth - main.clientWidth }"
    )
    assert over <= 1
