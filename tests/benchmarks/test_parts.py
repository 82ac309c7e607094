"""Each kind of part gives whole lines, on sizes where the figures themselves mean nothing."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as command
from benchmarks import (
    accelerator,
    expert_layer,
    input_pipeline,
    listing,
    matrix_share,
    memory,
    pytorch,
    reading,
    report,
    start,
    tracing,
)
from benchmarks.measure import Line
from limoe_core.data.batches import training_batches
from limoe_core.data.source import load_pairs
from limoe_core.presets import preset

pytestmark = pytest.mark.benchmark

DEBUG = "debug"
ROOT = Path(__file__).resolve().parents[2]


def by_name(lines: list[Line]) -> dict[str, Line]:
    found = {line.name: line for line in lines}
    assert len(found) == len(lines), "two lines have one name"
    assert all(line.how and (line.value is None or line.value >= 0) for line in lines)
    return found


def test_the_expert_layer_has_a_line_for_every_rival() -> None:
    case = expert_layer.Case(
        64, 8, 4, 12, repeats=1, slow_repeats=1, einsum_goal=5, ragged_goal=4, index_goal=1.15
    )
    lines = by_name(expert_layer.run([case]))
    goals = {name.partition(": ")[2]: (x.goal, x.bound) for name, x in lines.items()}
    assert goals == {
        "ours": (None, "at most"),
        "ours ÷ dense MLP": (None, "at most"),
        "einsum dispatch, 8 groups ÷ ours": (5, "at least"),
        "better index dispatch ÷ ours": (1.15, "at least"),
        "ragged_dot, dropless ÷ ours": (4, "at least"),
    }
    assert all(line.limit is not None and line.limit > 0 for line in lines.values())


def test_the_matrix_share_is_the_ratio_of_its_two_rates() -> None:
    lines = by_name(matrix_share.run(DEBUG, repeats=1))
    share = lines["training step's share of the matrix rate"]
    reached, rate = lines["rate of a training step"], lines["matrix rate"]
    assert share.value and reached.value and rate.value
    assert share.value == pytest.approx(reached.value / rate.value)
    assert (share.goal, share.bound) == (0.6, "at least")


def test_the_contrastive_loss_holds_at_least_one_similarity_matrix() -> None:
    lines = by_name(memory.run(DEBUG, batches=(), global_batches=(256, 512)))
    for size in (256, 512):
        megabytes = lines[f"memory of the contrastive loss, global batch {size}"].value
        assert megabytes is not None
        assert 4 * size**2 <= 1e6 * megabytes < 40 * size**2


def test_tracing_is_a_ratio_with_a_goal() -> None:
    (line,) = tracing.run(DEBUG, pairs=2, repeats=1)
    assert line.value and line.goal == 1.3 and line.bound == "at most"


def test_the_idle_share_is_what_a_step_waits_for_its_batch(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = preset(DEBUG)
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, dir=str(data_dir)))
    pairs = load_pairs(config.data, "train", progress=False)
    waiting, working = 0.3, 0.1  # seconds, far longer than a batch of real pairs takes

    def slow_batches(*arguments: Any) -> Iterator[Any]:
        for batch in training_batches(*arguments):
            time.sleep(waiting)
            yield batch

    monkeypatch.setattr(input_pipeline, "training_batches", slow_batches)
    monkeypatch.setattr(input_pipeline, "stepper", lambda config: lambda batch: time.sleep(working))
    lines = by_name(input_pipeline.lines(config, pairs, DEBUG, warm_up=1, steps=4))
    idle = lines["input pipeline's idle share of a step"]
    assert idle.value == pytest.approx(waiting / (waiting + working), abs=0.1)
    assert (idle.goal, idle.bound, idle.holds) == (0.02, "at most", False)
    assert pairs.name in idle.how
    assert lines["making a batch ÷ training step"].value


def test_pytorchs_twin_has_our_twins_loss_where_pytorch_is_installed() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed: no part of this project")
    (line,) = pytorch.run(DEBUG, repeats=1)  # which refuses to time two models that differ
    assert line.value and line.goal == 1.0 and line.bound == "at most"


def test_without_pytorch_its_earlier_line_stays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert pytorch.run() == []
    assert "PyTorch is not installed" in capsys.readouterr().out
    old = [{"part": "pytorch", "name": "a line"}]
    assert report.merge(old, [], command.PARTS) == old


@pytest.mark.long  # one of its cases is below
def test_an_accelerator_is_rehearsed_where_there_is_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert accelerator.run() == []  # so lines that were measured on one stay
    told = capsys.readouterr().out
    for line in ("bfloat16 matrix rate", "debug: share", "debug: memory", "÷ its dense twin"):
        assert line in told


def test_a_case_that_fails_leaves_the_others() -> None:
    broken = accelerator.Case("too many", "debug", 8, {"heads": 5})
    lines = by_name(accelerator.run([broken], repeats=1))
    failed = lines["accelerator: too many: share of the matrix rate"]
    assert failed.value is None and "not a multiple of model.heads" in failed.how


def test_a_few_runs_are_listed() -> None:
    first, again = listing.run(number=3)
    assert first.value is not None
    assert again.value is not None
    assert first.how.startswith("3 runs")


def test_reading_is_compared_with_plain_grain_on_the_same_pictures() -> None:
    (case, _) = reading.CASES
    lines = by_name(reading.run([case], rounds=2, pictures=24, turns=1))
    assert lines["72-pixel PNGs: pictures of a core"].value
    beside = lines["72-pixel PNGs: ours ÷ plain Grain"]
    assert beside.value and (beside.goal, beside.bound) == (1.0, "at least")
    assert lines["72-pixel PNGs: two workers ÷ one"].value


def test_a_start_on_many_pairs_takes_seconds_and_not_memory_for_each() -> None:
    seconds, memory = start.run(pictures=20, times=5_000)
    assert seconds.name == "first batch of 100,000 pairs"
    assert seconds.holds and memory.unit == "GB"


def test_without_data_the_input_pipeline_says_that_it_was_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = preset(DEBUG)
    away = dataclasses.replace(config.data, dir=str(tmp_path))
    monkeypatch.setattr(
        input_pipeline, "preset", lambda name: dataclasses.replace(config, data=away)
    )
    (line,) = input_pipeline.run()
    assert line.value is None and line.holds is None
    assert line.how.startswith("skipped: the data set emoji/base")


def test_the_command_measures_the_named_parts_and_keeps_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured(part: str) -> list[dict[str, Any]]:
        return report.records([Line(name=f"a {part}", value=2.0, how="")], part, "here")

    monkeypatch.setattr(command, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(command, "PAGE", tmp_path / "RESULTS.md")
    monkeypatch.setattr(command, "measured", measured)
    assert command.main(["steps"]) == 0
    assert command.main(["memory", "tracing"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("a memory") == shown.count("a steps") == 1
    names = [record["name"] for record in json.loads((tmp_path / "results.json").read_text())]
    assert names == ["a steps", "a tracing", "a memory"]
    page = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    assert all(f"| {name} |" in page for name in names)


def test_a_part_is_measured_in_a_fresh_process(tmp_path: Path) -> None:
    """By the command a user would type; the only part that is quick is one without its data."""
    copied = tmp_path / "project"
    kept = shutil.ignore_patterns("results.json", "RESULTS.md")
    shutil.copytree(ROOT / "benchmarks", copied / "benchmarks", ignore=kept)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TFDS_DATA_DIR": str(tmp_path / "none")}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "input_pipeline"],
        cwd=copied,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    (record,) = json.loads((copied / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    assert record["part"] == "input_pipeline" and record["value"] is None
    assert f"jax {version('jax')}" in record["machine"]
    page = (copied / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    assert f"## {record['machine']}" in page and "not measured" in page
