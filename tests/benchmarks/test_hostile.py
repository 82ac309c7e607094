"""Makers of hostile runs and traces: as many as promised, the same again, the source kept."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.resilience.hostile import SECRET, hostile_runs, tampered_traces
from limoe_core.runs import Run
from tests.limoe_core.runs.examples import DEBUG, params_at, small_trace
from tests.limoe_core.runs.test_predictions import some_predictions


@pytest.fixture
def good(tmp_path: Path) -> Run:
    run = Run.create(tmp_path / "runs" / "good", DEBUG)
    with run.checkpoints() as store:
        store.save(20, params_at(20))
    run.append_metrics({"step": 20})
    run.store_evaluation("test_style", 20, {"top1": 0.5})
    run.save_probe(20, small_trace())
    run.save_probe_pictures(np.zeros((2, 32, 32, 3), np.uint8))
    run.path_of("tokenizer").write_bytes(b"a tokenizer")
    run.path_of("causal").mkdir()
    some_predictions().save(run.path, "zero_shot_test_style", 20)
    return run


def content(path: Path) -> dict[str, bytes]:
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }


def test_hostile_runs_leave_their_source_as_it_is(good: Run) -> None:
    before = content(good.path)
    folder = good.path.parent
    cases = hostile_runs(good.path, folder, lambda name: name.startswith(("config", "tokenizer")))
    assert content(good.path) == before
    assert len(cases) > 100
    assert len({case.name for case in cases}) == len(cases)
    assert all(case.wrong and len(case.name) < 100 for case in cases)
    assert (folder / "config-fifo").is_dir()
    assert SECRET in (folder / "config-link-out" / "config.json").read_text()


def test_every_kind_of_harm_is_done_to_every_part(good: Run) -> None:
    names: list[str] = []
    hostile_runs(good.path, good.path.parent, lambda name: bool(names.append(name)))
    assert len(names) >= 200
    for part in ("config", "tokenizer", "metrics", "evaluations", "predictions", "probe"):
        for harm in ("fifo", "closed", "link-out", "huge", "half", "socket"):
            assert f"{part}-{harm}" in names
    for part in ("predictions", "probe", "pictures"):
        assert f"{part}-bomb" in names


def test_tampered_traces_are_made_one_at_a_time_and_the_same_again(
    good: Run, tmp_path: Path
) -> None:
    made = tampered_traces(good.path, tmp_path / "traces", n=20, seed=3)
    first = next(made)
    assert [path.name for path in (tmp_path / "traces").iterdir()] == ["1.npz"]
    assert first.path.exists()
    told = [first.wrong, *(case.wrong for case in made)]
    again = tampered_traces(good.path, tmp_path / "again", n=20, seed=3)
    assert [case.wrong for case in again] == told
    assert content(tmp_path / "traces").keys() == content(tmp_path / "again").keys()
    shutil.rmtree(tmp_path / "traces")
