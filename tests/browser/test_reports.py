"""The buttons that make and save a report."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.report import report
from limoe_core.runs import Run
from tests.browser.conftest import Visit
from tests.browser.page_runs import page_runs, page_server, settled

__all__ = ["page_runs", "page_server"]


@pytest.mark.parametrize(
    ("address", "button", "names"),
    [
        ("compare?run=small&with=dense", "Report of both", ("small", "dense")),
        ("training?run=small", "Report of this run", ("small",)),
    ],
)
def test_a_report_is_saved_as_the_library_writes_it(
    visit: Visit,
    page_server: str,
    page_runs: Path,
    address: str,
    button: str,
    names: tuple[str, ...],
) -> None:
    page = settled(visit(f"{page_server}/{address}"))
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    assert download.value.suggested_filename == f"report-{'-and-'.join(names)}.html"
    saved = Path(download.value.path()).read_text(encoding="utf-8")
    written = report(*(Run.open(page_runs / name) for name in names))
    assert len(saved) == pytest.approx(len(written), rel=0.01)
    assert saved.startswith(written[:500])
