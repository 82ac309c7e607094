"""Training that begins, goes on and ends while pages are open, by a process that really trains."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

from playwright.sync_api import Locator, Page, expect

from app.shell import live
from limoe_core.runs import Run
from tests.browser.conftest import ROOT, Serve, Visit
from tests.browser.page_runs import figures, no_error, settled
from tests.limoe_core.data.own_pairs import csv_folder

pytestmark = pytest.mark.processes

#: Seconds that training may take for anything. How long it takes is the machine's matter: a page is
#: timed from the moment when there is something to show.
TRAINING = 2400
#: The last step that the first curve draws.
NEWEST = "() => document.querySelector('.js-plotly-plot').calcdata[0].at(-1).x"


class Training:
    """A process that trains the run `live` until it is killed."""

    def __init__(self, folder: Path, place: Path) -> None:
        self.path = folder / "live"
        self._place = place
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        pictures = csv_folder(self._place / "pictures")
        with (self._place / "log.txt").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "limoe_core.train", "--preset", "debug"),
                    *("--run", str(self.path), "--data.path", str(pictures)),
                    *("--data.dir", str(self._place / "data"), "--train.steps", "1000000"),
                    *("--train.checkpoint-every", "1000", "--train.evaluate-every", "0"),
                ],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.wait_until(lambda: (self.path / "config.json").exists())

    def wait_until(self, reached: Callable[[], bool]) -> None:
        """Until training has come somewhere, however long it takes on this machine."""
        end = time.monotonic() + TRAINING
        while not reached():
            assert self._process is not None and self._process.poll() is None, self._log()
            assert time.monotonic() < end, self._log()
            time.sleep(0.2)

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def _log(self) -> str:
        return (self._place / "log.txt").read_text()[-3000:]


@pytest.fixture
def training(runs_folder: Path, tmp_path: Path) -> Iterator[Training]:
    """A folder of runs with `small`, in which `live` can be trained."""
    shutil.copytree(runs_folder / "small", tmp_path / "runs" / "small")
    process = Training(tmp_path / "runs", tmp_path)
    yield process
    process.kill()


def sidebar(page: Page) -> Locator:
    return page.get_by_test_id("stSidebar")


# Not in `make test-all` until it has passed three times in a row on a busy machine.
@pytest.mark.long
def test_training_is_seen_from_before_its_first_step_to_its_end(
    visit: Visit, serve: Serve, training: Training
) -> None:
    address = serve(training.path.parent)
    reader = settled(visit(f"{address}/?run=small"))
    field = reader.get_by_test_id("stTextInput").locator("input").first
    field.fill("half a text that is not sent")
    training.start()

    # Before the first probe trace, and it begins to follow by itself.
    emergence = visit(f"{address}/emergence?run=live")
    expect(sidebar(emergence)).to_contain_text(re.compile("In training", re.IGNORECASE))
    curves = visit(f"{address}/training?run=live")
    expect(curves.get_by_text("In training").first).to_be_visible()
    run = Run.open(training.path)
    training.wait_until(lambda: bool(run.probe_steps()))
    expect(figures(emergence).first).to_be_visible()
    training.wait_until(lambda: run.newest_metrics() is not None)
    expect(figures(curves).first).to_be_visible()

    # The other reader's list has the run, and what was typed is as it was.
    expect(sidebar(reader)).to_contain_text(re.compile("live.*In training", re.DOTALL))
    assert field.input_value() == "half a text that is not sent"
    assert "run=small" in reader.url or "run=" not in reader.url

    # New curves come without a reload.
    first = newest_step(curves)
    training.wait_until(lambda: (run.newest_metrics() or {})["step"] > first)
    curves.wait_for_function(f"first => ({NEWEST})() > first", arg=first)

    training.kill()
    expect(sidebar(curves)).to_contain_text(re.compile(r"Stopped at step"))
    expect(sidebar(reader)).not_to_contain_text("In training")
    assert run.in_training() is False
    for page in (reader, emergence, curves):
        no_error(page)


def test_pages_opened_before_the_first_probe_trace_fill_by_themselves(
    visit: Visit, serve: Serve, runs_folder: Path, tmp_path: Path
) -> None:
    """Twice over: whether the page is drawn again as it is on its way is a matter of luck."""
    run = Run.open(shutil.copytree(runs_folder / "small", tmp_path / "runs" / "live"))
    address = serve(run.path.parent)
    come = [run.path_of("metrics"), run.path_of("probe", 0).parent]
    for part in come:
        part.rename(tmp_path / part.name)
    with run.held_for_training():
        for _ in range(2):
            emergence = visit(f"{address}/emergence?run=live")
            curves = visit(f"{address}/training?run=live")
            expect(sidebar(emergence)).to_contain_text("In training")
            expect(emergence.get_by_text("has no probe trace yet")).to_be_visible()
            expect(curves.get_by_text("has logged nothing yet")).to_be_visible()
            for part in come:
                (tmp_path / part.name).rename(part)
            expect(figures(emergence).first).to_be_visible()
            expect(figures(curves).first).to_be_visible()
            run.append_metrics({"step": 30, "loss": 1.0})
            curves.wait_for_function(f"() => ({NEWEST})() === 30")
            for page in (emergence, curves):
                no_error(settled(page))
                page.close()
            run.truncate_metrics(20)
            for part in come:
                part.rename(tmp_path / part.name)


def newest_step(page: Page) -> int:
    return int(page.evaluate(NEWEST))


def test_a_page_is_left_alone_while_nothing_changes(
    visit: Visit, serve: Serve, runs_folder: Path, tmp_path: Path
) -> None:
    """The look at the folder draws its own few lines and not the page."""
    shutil.copytree(runs_folder / "small", tmp_path / "runs" / "small")
    page = settled(visit(f"{serve(tmp_path / 'runs')}/emergence?run=small"))
    expect(figures(page).first).to_be_visible()
    page.evaluate(
        "() => { window.drawn = 0; const plot = document.querySelector('.js-plotly-plot');"
        " plot.on('plotly_afterplot', () => { window.drawn += 1 }) }"
    )
    page.wait_for_timeout(1000 * live.EVERY + 2000)
    assert page.evaluate("() => window.drawn") == 0
    no_error(page)
