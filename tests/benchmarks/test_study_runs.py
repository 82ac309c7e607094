"""A run of the study that is killed goes on, and ends with the line of one that was left alone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.study import outcomes
from benchmarks.study.arms import ARMS, RECIPE
from benchmarks.study.one_run import folder, measured
from limoe_core.files import to_json
from limoe_core.runs import Run, RunError
from tests.benchmarks.small_study import PAIRS, STARTS, STEPS, small

pytestmark = [pytest.mark.training, pytest.mark.processes]
ROOT = Path(__file__).resolve().parents[2]


def start(arm: str, runs: Path, out: Path, data_dir: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.benchmarks.small_study", arm, "0"]
    command += ["--runs", str(runs), "--out", str(out), "--data-dir", str(data_dir)]
    return subprocess.Popen(command, cwd=ROOT)


@pytest.fixture(autouse=True)
def as_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is measured here is as little as in the command."""
    monkeypatch.setattr(outcomes, "PAIRS", PAIRS)
    monkeypatch.setattr(outcomes, "STARTS", STARTS)


def finished(arm: str, runs: Path, data_dir: Path) -> dict[str, Any]:
    """The line of a run, by the command's function in this process."""
    line = measured(ARMS[arm], 0, runs, str(data_dir), small(RECIPE))
    return json.loads(to_json(line))


def saved(path: Path) -> int:
    """The newest step of a run that may not be there yet."""
    try:
        return max(Run.open(path).steps(), default=0)
    except RunError:
        return 0


def test_a_killed_run_goes_on_to_the_same_line(tmp_path: Path, data_dir: Path) -> None:
    quiet, killed = tmp_path / "quiet", tmp_path / "killed"
    quiet.mkdir()
    killed.mkdir()
    wanted = finished("limoe", quiet, data_dir)
    process = start("limoe", killed, killed / "none.json", data_dir)
    while not saved(folder(killed, "limoe", 0)) and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not (killed / "none.json").exists()
    out = killed / "line.json"
    assert start("limoe", killed, out, data_dir).wait(timeout=600) == 0
    found = json.loads(out.read_text())
    for one in (found, wanted):
        one["training"].pop("seconds")
    assert found == wanted
    assert found["step"] == STEPS
    assert [layer["layer"] for layer in found["layers"]] == [2]
    assert 0 <= found["layers"][0]["nmi"] <= 1
    assert found["zero_shot"]["test_concept"]["ways"] < found["zero_shot"]["test_style"]["ways"]
    assert found["config"]["data"]["dir"] is None
    assert set(found["data"]["digests"]) == {"train", "validation", "test_style", "test_concept"}
    # Asked again, it trains nothing and measures the same.
    again = finished("limoe", killed, data_dir)
    again["training"].pop("seconds")
    assert again == wanted


def test_a_dense_run_and_one_that_starts_from_its_middle(tmp_path: Path, data_dir: Path) -> None:
    dense = finished("dense", tmp_path, data_dir)
    assert dense["layers"] == []
    upcycled = finished("upcycled", tmp_path, data_dir)
    assert upcycled["step"] == STEPS // 2
    assert upcycled["config"]["model"]["experts"] > 0
    origin = Run.open(folder(tmp_path, "upcycled", 0)).origin
    assert origin is not None
    assert f"step {STEPS // 2}" in str(origin)


def test_a_run_that_diverges_counts_with_its_last_parameters(
    tmp_path: Path, data_dir: Path
) -> None:
    recipe = small(RECIPE)
    recipe = replace(recipe, optimizer=replace(recipe.optimizer, learning_rate=1e6))
    line = measured(ARMS["dense"], 0, tmp_path, str(data_dir), recipe)
    assert line["training"]["diverged"]
    assert line["training"]["last_step"] < STEPS
    assert 0 <= line["zero_shot"]["test_concept"]["top5_mean"] < 0.2
