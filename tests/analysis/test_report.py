"""The report: one file that needs nothing else, whatever its runs hold."""

from __future__ import annotations

import dataclasses
import html
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

import analysis
from analysis.report import main, report
from limoe_core.runs import Run
from tests.conftest import ROOT
from tests.shipped import DENSE, LIMOE

LAST = LIMOE.probe_steps()[-1]


class Reader(HTMLParser):
    """Elements, their attributes, and the text outside of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self._quiet = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self._quiet = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._quiet = False

    def handle_data(self, data: str) -> None:
        if not self._quiet:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


def copied(folder: Path, run: Run, to: str | None = None) -> Run:
    """A shipped run with its first and last probe trace, and without its parameters."""
    target = folder / (to or run.name)
    shutil.copytree(run.path, target, ignore=shutil.ignore_patterns("steps"))
    for probe in (target / "probes").glob("[1-9]*.npz"):
        if int(probe.stem) != LAST:
            probe.unlink()
    return Run.open(target)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def both(folder: Path) -> str:
    return report(copied(folder, LIMOE), copied(folder, DENSE))


@pytest.mark.training
def test_it_asks_nothing_of_any_network(both: str) -> None:
    page = Reader(both)
    assert not {"link", "iframe", "img", "object", "base"} & {*page.tags}
    links = [value for name, value in page.attributes if name in ("src", "href", "action")]
    assert all(link and link.startswith("#s") for link in links)
    assert "default-src 'none'" in both
    assert len(both.encode()) < 6_000_000


@pytest.mark.training
def test_it_has_figures_numbers_nulls_and_lines(both: str, folder: Path) -> None:
    page = Reader(both)
    tasks = [task for task in LIMOE.evaluations() if LIMOE.has("predictions", LAST, task)]
    answers = [{task: run.predictions(task, LAST) for task in tasks} for run in (LIMOE, DENSE)]
    for words in (
        "The null: the same at step 0",
        f"of {len(analysis.compare_accuracies(*answers, samples=0))} differences",
        "One run is one seed",
        "No alarm",
        f"{DENSE.name} is a dense twin",
    ):
        assert words in page.text
    drawn = re.search(r'id="figures">(.*?)</script>', both, re.DOTALL)
    assert drawn is not None
    assert len(json.loads(drawn[1])) == page.tags.count("figure") > 8
    assert str(ROOT) not in both and str(folder) not in both, (
        "where a run lies is nobody's business"
    )


@pytest.mark.training
def test_its_lines_run_in_the_folder_of_runs(
    both: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    boxes = re.findall(r"<pre><code>(.*?)</code>", both, re.DOTALL)
    lines = [html.unescape(each) for each in boxes]
    chosen = [each for each in lines if "compare_accuracies" in each or "roles" in each]
    assert len(chosen) >= 3
    for each in chosen:
        made: dict = {}
        exec(compile(each, "report", "exec"), made)
        assert len(made["frame"])


@pytest.mark.training
def test_words_of_a_run_are_words(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\u202e"
    run = copied(tmp_path, DENSE, "<img src=x onerror=alert(1)>")
    run = dataclasses.replace(run, info={**run.info, "data": {"name": evil}})
    run.append_metrics({"step": LAST + 1, evil: 1.0, "loss": None})
    page = Reader(report(run))
    plain = Reader(report(DENSE))
    assert set(page.tags) == set(plain.tags)
    assert page.tags.count("script") == plain.tags.count("script")
    assert "onerror" not in {name for name, _ in page.attributes}
    assert "[U+202E]" in page.text


@pytest.mark.training
def test_what_is_damaged_is_a_sentence(tmp_path: Path) -> None:
    copied(tmp_path, LIMOE, "run")
    (tmp_path / "run" / "evaluations.json").write_text("{")
    (tmp_path / "run" / "probes" / f"{LAST}.npz").write_bytes(b"torn")
    text = Reader(report(Run.open(tmp_path / "run"))).text
    assert text.count("This cannot be shown") == 2
    assert "newest value" in text


def test_a_run_that_has_just_begun_has_a_report(tmp_path: Path) -> None:
    from limoe_core.presets import preset

    text = Reader(report(Run.create(tmp_path / "new", preset("debug")))).text
    assert "has logged nothing" in text and "no probe trace yet" in text


def test_the_command_says_what_it_wrote_and_what_it_cannot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.report.report", lambda *runs: "<!DOCTYPE html>")
    target = tmp_path / "out.html"
    assert main([str(DENSE.path), "--output", str(target)]) == 0
    assert capsys.readouterr().out.strip() == str(target)
    assert target.read_text() == "<!DOCTYPE html>"
    assert main([str(tmp_path / "none")]) == 1
    assert "error: there is no run at" in capsys.readouterr().err
    away = tmp_path / "no" / "folder.html"
    assert main([str(DENSE.path), "--output", str(away)]) == 1
    assert "cannot be written" in capsys.readouterr().err
