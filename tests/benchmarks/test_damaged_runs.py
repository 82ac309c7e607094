"""Damaged copies of a run: a short version of `python -m benchmarks.resilience runs`."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.resilience import runs

pytestmark = pytest.mark.benchmark


def test_damaged_runs_give_a_clear_error_or_what_they_hold(debug_run: Path) -> None:
    (record,) = runs.run(debug_run, cases=60, seed=7)
    assert record.tried == 60
    assert record.failed == 0, record.how


def test_a_damage_is_repeated_by_its_seed(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "steps").mkdir(parents=True)
    for place in range(5):
        (source / "steps" / f"{place}.bin").write_bytes(bytes(range(100)) * 3)
    told = [runs.damage(source, tmp_path / name, seed=5) for name in ("a", "b")]
    assert told[0] == told[1]
    files = [
        {path.name: path.read_bytes() for path in (tmp_path / name).rglob("*") if path.is_file()}
        for name in ("a", "b")
    ]
    assert files[0] == files[1]


def test_a_run_that_cannot_be_read_is_no_start(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(ValueError, match="even before it is damaged"):
        runs.run(tmp_path / "run", cases=1)
