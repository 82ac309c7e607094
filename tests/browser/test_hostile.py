"""Hostile texts in a real browser: nothing is executed, all of it is text."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

from playwright.sync_api import Page, expect

from limoe_core import places
from limoe_core.runs.directory import Run
from tests.browser import pictures
from tests.browser.conftest import PATIENCE, Serve, Visit
from tests.browser.page_runs import no_error, settled

expect.set_options(timeout=PATIENCE)

MARKUP = "<img src=x onerror='window.hacked=1'>"
#: The reason that the run's name holds no slash: it is the name of a folder.
RUN = "<img src=x onerror='window.hacked=1'> [link](javascript:window.hacked=1)"
TURNED = "invoice\u202egpj.exe"
CAPTIONS = [
    MARKUP,
    "<script>window.hacked=1</script>",
    "[a](javascript:window.hacked=1) $\\href{javascript:window.hacked=1}{b}$ **c**",
    TURNED,
    "\x07bell \x1b[31mred",
    "word " * 2_000_000,  # 10 MB
]


@pytest.fixture(scope="module")
def hostile(serve: Serve, runs_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of the dashboard on one run, everything of which that is text is hostile."""
    folder = tmp_path_factory.mktemp("hostile") / "runs"
    shutil.copytree(runs_folder / "small", folder / RUN)
    shutil.copytree(runs_folder / "small", folder / TURNED)
    run = Run.open(folder / RUN)
    for step in run.probe_steps():
        if step != 20:
            (run.path / "probes" / f"{step}.npz").unlink()
    trace = run.probe(20)
    captions = np.array([text[:4000] for text in CAPTIONS])
    categories = np.array([*CAPTIONS[:3], TURNED, TURNED, MARKUP])
    meta = {**trace.meta, "category": categories, "language": categories}
    run.save_probe(20, dataclasses.replace(trace, captions=captions, meta=meta))
    path = run.path / "config.json"
    stored = json.loads(path.read_text())
    stored["data"]["name"] = MARKUP + TURNED + CAPTIONS[-1][:500_000]  # as much as fits
    stored["config"]["data"]["dir"] = str(folder.parent / "no-data")
    places.name(folder.parent / "no-data")  # or the page would look elsewhere
    path.write_text(json.dumps(stored))
    return serve(folder)


def harmless(page: Page) -> None:
    """Nothing was executed, nothing of the texts became an element, and the page is whole."""
    assert page.evaluate("window.hacked") is None
    assert page.locator("img[src=x]").count() == 0
    assert page.locator("a[href^='javascript:']").count() == 0
    assert "\u202e" not in page.locator("body").inner_text()
    no_error(page)


@pytest.mark.parametrize(
    "place",
    [
        "",
        "?example=3",
        "?example=5",
        "experts",
        "experts?view=closely",
        "experts?view=preferences",
        "emergence",
        "zero-shot",
        "zero-shot?show=search",
    ],
)
def test_a_run_full_of_hostile_texts_shows_them_as_text(
    visit: Visit, hostile: str, place: str
) -> None:
    page = settled(visit(f"{hostile}/{place}"))
    harmless(page)
    sidebar = page.get_by_test_id("stSidebar")
    expect(sidebar).to_contain_text("<img src=x onerror='window.hacked=1'>invoice[U+202E]gpj.exe")
    assert len(sidebar.inner_text()) < 3000
    sidebar.get_by_text("1 folder not usable").click()
    expect(sidebar).to_contain_text("invoice[U+202E]gpj.exe: ")


def test_captions_are_the_texts_that_they_are(visit: Visit, hostile: str) -> None:
    page = settled(visit(f"{hostile}/"))
    expect(page.locator(".item")).to_have_count(len(CAPTIONS))
    shown = page.locator(".item .caption").all_text_contents()
    assert shown[:3] == CAPTIONS[:3]
    assert shown[3] == "invoice[U+202E]gpj.exe"
    assert shown[4].startswith("[U+0007]bell [U+001B][31mred")
    assert len(shown[5]) <= 2000
    harmless(page)


def test_the_name_of_an_uploaded_file_is_text(visit: Visit, hostile: str) -> None:
    page = settled(visit(f"{hostile}/zero-shot"))
    page.get_by_role("button", name="Your pictures").click()
    content = pictures.encoded(pictures.plain())
    files = [
        {"name": f"{MARKUP}{TURNED}.png", "mimeType": "image/png", "buffer": content},
        {"name": f"{'x' * 200}{TURNED}", "mimeType": "image/png", "buffer": b"no picture"},
        # No file system has such a name; the server takes no such upload.
        {"name": f"{'y' * 5000}{TURNED}", "mimeType": "image/png", "buffer": content},
    ]
    page.locator('input[type="file"]').set_input_files(files)  # type: ignore[arg-type]
    expect(page.get_by_text("gpj.exe.png").first).to_be_visible()
    expect(page.get_by_text("not a picture").first).to_be_visible()
    expect(page.get_by_test_id("stFileChipIconError")).to_have_count(1)
    settled(page)
    assert page.evaluate("window.hacked") is None
    assert page.locator("img[src=x]").count() == 0
    assert "\u202e" not in page.get_by_test_id("stMain").inner_text()
    for left in (2, 1, 0):  # taken off the list, a picture is gone
        page.get_by_test_id("stFileChipDeleteBtn").first.locator("button").click()
        expect(page.get_by_test_id("stFileChip")).to_have_count(left)
    expect(page.get_by_text("gpj.exe.png")).to_have_count(0)


@pytest.mark.parametrize(
    "names", [["run"], ["step", "layer", "example", "token", "text", "picture"]]
)
def test_the_address_is_text(visit: Visit, hostile: str, names: list[str]) -> None:
    evil = "%3Cimg%20src%3Dx%20onerror%3D'window.hacked%3D1'%3E"
    page = settled(visit(f"{hostile}/?{'&'.join(f'{name}={evil}' for name in names)}"))
    harmless(page)
