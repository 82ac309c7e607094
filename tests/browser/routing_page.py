"""How the tests find their way on the Routing page."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

from PIL import Image
from playwright.sync_api import Locator, Page, expect

from limoe_core.runs.directory import Run
from limoe_core.trace import RoutingTrace
from tests.browser.conftest import PATIENCE, Visit

expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def run(runs_folder: Path) -> Run:
    return Run.open(runs_folder / "small")


@pytest.fixture(scope="session")
def first(run: Run) -> RoutingTrace:
    """The routing that the page opens on."""
    return run.probe(20).select([0])


@pytest.fixture
def page(visit: Visit, server: str) -> Page:
    return drawn(visit(server))


def drawn(page: Page) -> Page:
    """Waits for the routing view."""
    expect(page.locator(".patch").first).to_be_visible()
    expect(page.locator(".layer").first).to_be_visible()
    return page


def patches(page: Page) -> Locator:
    return page.locator(".patch")


def numbers(page: Page) -> list[int]:
    """The expert numbers written in the patches."""
    return [int(text) for text in page.locator(".patch .label").all_text_contents()]


def experts_of(trace: RoutingTrace, layer: int, modality: int = 0) -> list[int]:
    return trace.expert[layer, trace.modality == modality, 0].tolist()


def type_text(page: Page, text: str) -> None:
    field = page.get_by_placeholder("Type a text for this picture")
    field.fill(text)
    field.press("Enter")


def upload(page: Page, name: str, content: bytes) -> None:
    """Brings a picture, in exchange for an earlier one, through the field that the button opens."""
    field = page.locator('input[type="file"]')
    if not field.count():
        page.get_by_role("button", name=re.compile("picture", re.IGNORECASE)).first.click()
    file = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    field.set_input_files([file])  # type: ignore[list-item]


def shown_picture(page: Page) -> np.ndarray:
    """The picture beneath the patches, decoded, (h, w, 3)."""
    address = page.locator(".grid image").get_attribute("href") or ""
    content = base64.b64decode(address.split(",")[1])
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def shows(page: Page, colour: Sequence[int], tolerance: int = 0) -> bool:
    """Whether the middle of the picture beneath the patches has a colour."""
    shown = shown_picture(page).astype(int)
    middle = shown[shown.shape[0] // 2, shown.shape[1] // 2]
    return bool(np.abs(middle - colour).max() <= tolerance)
