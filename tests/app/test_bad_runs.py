"""One bad run harms nobody else: hostile runs beside a good one, and what of others is opened."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

from app.server import runs as server_runs
from app.server.runs import Runs
from app.views.experts import page as experts_page
from benchmarks.resilience.hostile import SECRET, Case, hostile_runs
from limoe_core import confined
from limoe_core.runs import Run, RunError
from tests.app.evaluated_runs import evaluate
from tests.app.one_page import open_page, said

PAGES = ("routing", "experts", "emergence", "training", "zero_shot")
#: Hostile runs that `make test` opens, with the page that shows the hostile part.
SOME = {
    "config-fifo": "routing",
    "config-link-out-json": "routing",
    "config-model-heads-0": "routing",
    "config-model-layers-1": "routing",
    "config-raw-digits": "routing",
    "run-closed": "routing",
    "run-link-root": "routing",
    "metrics-contrastive-text": "emergence",
    "probe-fifo": "experts",
    "probe-bomb": "routing",
    "probe-tampered-3": "experts",
    "pictures-claims": "routing",
    "probes-odd-names": "emergence",
}


@pytest.fixture(scope="module")
def good(runs_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with all that a run may have."""
    path = tmp_path_factory.mktemp("good") / "good"
    shutil.copytree(runs_folder / "small", path)
    evaluate(Run.open(path), 20, 1.0)
    Run.open(path).path_of("causal").mkdir()
    return path


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    """A folder of the test's own with the run `good`."""
    shutil.copytree(good, tmp_path / "runs" / "good")
    return tmp_path / "runs"


def says(module: str, folder: Path, case: Case, **address: str) -> None:
    """The page of a hostile run is a page or a sentence, and another run than it if it is none."""
    page = open_page(module, folder, run=case.name, **address)
    where = f"{case.name} on {module} {address}"
    assert not page.exception, where
    assert SECRET not in said(page), where
    assert page.selectbox(key="run").value in (case.name, "good"), where


@pytest.mark.usefixtures("unchecked_shapes")
def test_some_hostile_runs_are_listed_beside_a_good_one_and_said(folder: Path, good: Path) -> None:
    cases = hostile_runs(good, folder, SOME.__contains__)
    assert {case.name for case in cases} == set(SOME)
    listed = Runs.of(folder)
    assert "good" in listed.usable
    assert listed.default() in listed.usable
    reasons = {each.name: str(each.error) for each in listed.broken}
    assert all(len(reason) < 500 and SECRET not in reason for reason in reasons.values())
    assert {"config-fifo", "config-model-heads-0", "run-link-root"} <= set(reasons)
    for case in cases:
        if case.name not in reasons:
            says(SOME[case.name], folder, case)
    assert not open_page("experts", folder, run="good").error


@pytest.mark.long  # some of them are opened on a server in `tests/benchmarks/test_resilience.py`
@pytest.mark.usefixtures("unchecked_shapes")
def test_every_hostile_run_is_said_on_every_page(
    folder: Path, good: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cases = hostile_runs(good, folder)
    assert len(cases) >= 400
    usable = set(Runs.of(folder).usable)
    for case in cases:
        if case.name in usable:
            for module in PAGES:
                says(module, folder, case)
            says("zero_shot", folder, case, show="accuracy")
            says("zero_shot", folder, case, show="confusions")
    assert "good" in usable
    assert not [each for each in caplog.records if "could not be drawn" in each.message]


def test_an_error_that_nobody_foresaw_is_a_sentence_and_its_trace_is_in_the_log(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(run: Run) -> None:
        raise ZeroDivisionError("/home/somebody/secret.py")

    monkeypatch.setattr(experts_page, "show", fail)
    with caplog.at_level(logging.ERROR):
        page = open_page("experts", folder)
    assert not page.exception
    assert "This cannot be shown, for a reason that nobody foresaw" in page.error[0].value
    assert "somebody" not in said(page)
    assert "ZeroDivisionError: /home/somebody/secret.py" in caplog.text
    assert not open_page("routing", folder).error


# ---- what is opened


@contextmanager
def opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """Paths of the files in a folder of runs that are opened meanwhile."""
    found: list[Path] = []
    real = confined.opened

    @contextmanager
    def noting(path: Path, **options: Any) -> Iterator[BinaryIO]:
        if path.is_relative_to(folder):  # and not of a model that another test left loading
            found.append(path)
        with real(path, **options) as file:
            yield file

    with monkeypatch.context() as patched:
        patched.setattr(confined, "opened", noting)
        yield found


@pytest.mark.parametrize("module", PAGES)
def test_of_other_runs_a_page_opens_the_settings_alone_and_those_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    for name in ("a", "b", "z"):
        shutil.copytree(folder / "good", folder / name)
    with opened(folder, monkeypatch) as first:
        assert not open_page(module, folder, run="good").exception
    others = [path for path in first if not path.is_relative_to(folder / "good")]
    assert sorted(path.relative_to(folder).as_posix() for path in others) == [
        f"{name}/config.json" for name in ("a", "b", "z")
    ]
    with opened(folder, monkeypatch) as again:
        open_page(module, folder, run="good")
    assert all(path.is_relative_to(folder / "good") for path in again)


def test_the_list_of_runs_opens_again_only_what_changed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folder / "good", folder / "other")
    Runs.of(folder)
    with opened(folder, monkeypatch) as nothing:
        assert Runs.of(folder).usable == ("good", "other")
    assert not nothing
    path = folder / "other" / "config.json"
    stored = json.loads(path.read_text())
    stored["config"]["model"]["heads"] = 0
    path.write_text(json.dumps(stored))
    with opened(folder, monkeypatch) as changed:
        assert Runs.of(folder).usable == ("good",)
    assert changed == [path]


def test_the_run_to_open_with_is_found_without_opening_probes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folder / "good", folder / "a")
    for probe in (folder / "a" / "probes").iterdir():
        probe.unlink()
    found = Runs.of(folder)
    with opened(folder, monkeypatch) as nothing:
        assert found.default() == "good"
    assert not nothing


# ---- a checkpoint replaced in place


def test_a_checkpoint_that_is_overwritten_in_place_is_read_anew(folder: Path) -> None:
    run = Run.open(folder / "good")
    before = server_runs.model(run, 20)
    assert server_runs.model(run, 20) is before
    earlier, later = (run.path_of("parameters", step) / "params" for step in (10, 20))
    shutil.copytree(earlier, later, dirs_exist_ok=True)
    for path in later.rglob("*"):
        if path.is_file() and not (earlier / path.relative_to(later)).exists():
            path.unlink()
    after = server_runs.model(run, 20)
    assert not np.allclose(
        before.encode_texts(["a red apple"]), after.encode_texts(["a red apple"])
    )


def test_parameters_that_are_not_numbers_are_refused(folder: Path, good: Path) -> None:
    (case,) = hostile_runs(good, folder, "parameters-nan".__eq__)
    with pytest.raises(RunError, match="not all finite numbers: training diverged"):
        server_runs.model(Run.open(case.path), 20)


def test_a_run_nobody_may_read_does_not_keep_the_others_from_their_readers(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a reader who is not the superuser, before whom no folder is closed."""
    shutil.copytree(folder / "good", folder / "closed")
    real = confined.opened

    def closed(path: Path, **options: Any) -> AbstractContextManager[BinaryIO]:
        if path.is_relative_to(folder / "closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, **options)

    monkeypatch.setattr(confined, "opened", closed)
    page = open_page("experts", folder)
    assert not page.exception
    assert page.selectbox(key="run").options == ["good"]
    (reason,) = (str(each.error) for each in Runs.of(folder).broken)
    assert "its owner does not let this user read it" in reason
