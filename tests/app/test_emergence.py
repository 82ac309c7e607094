"""The page Emergence, without a browser."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

import analysis
from app.server.status import Status
from app.views.emergence.history import history
from limoe_core.runs.directory import Run
from tests.app.one_page import component, figures, open_page, said


@pytest.fixture
def two_runs(runs_folder: Path, tmp_path: Path) -> Path:
    """`small`, and a copy of it that was probed less often."""
    shutil.copytree(runs_folder / "small", tmp_path / "small")
    shutil.copytree(runs_folder / "small", tmp_path / "sparse")
    (tmp_path / "sparse" / "probes" / "10.npz").unlink()
    return tmp_path


def test_every_probe_step_is_on_the_slider(runs_folder: Path) -> None:
    page = open_page("emergence", runs_folder, layer="2")
    assert not page.exception
    (small,) = component(page, "emergence")["runs"]
    assert small["steps"] == [0, 10, 20]
    wanted = analysis.roles(Run.open(runs_folder / "small").probe(10)).query("layer == 2")
    assert small["image"][1] == pytest.approx(wanted["image_share"].tolist(), abs=1e-5)
    assert small["tokens"]["text"][1] == wanted["text_tokens"].tolist()
    assert [small["roles"][place] for place in small["role"][1]] == wanted["role"].tolist()


def test_the_page_opens_on_the_timeline_and_the_onset(runs_folder: Path) -> None:
    page = open_page("emergence", runs_folder, layer="2")
    assert page.header[0].value == "Loss and router metrics of block 2"
    run = Run.open(runs_folder / "small")
    onset = analysis.specialisation_onset(analysis.probe_traces(run)).query("layer == 2").iloc[0]
    facts = " ".join(element.proto.body for element in page.get("html"))
    assert "Onset of specialisation" in facts
    assert f"{onset['baseline']:.2f}" in facts
    assert f"by chance a rise up to {onset['threshold']:.2f}" in facts


def test_the_page_says_what_its_numbers_are_of(runs_folder: Path) -> None:
    text = said(open_page("emergence", runs_folder)).replace("\\", "")
    assert "3 probe traces from step 0 to 20" in text
    assert "n = 6 pairs" in text


def test_two_runs_share_their_axes_and_their_slider(two_runs: Path) -> None:
    page = open_page("emergence", two_runs, run="small", versus="sparse", layer="2")
    assert not page.exception
    data = component(page, "emergence")
    assert [run["name"] for run in data["runs"]] == ["small", "sparse"]
    assert [run["steps"] for run in data["runs"]] == [[0, 10, 20], [0, 20]]
    assert data["largest"] >= max(max(map(max, run["image"])) for run in data["runs"])
    together = figures(page)[0]
    names = " ".join(trace.get("name") or "" for trace in together["data"])
    assert "small" in names
    assert "sparse" in names


def test_the_axis_is_logarithmic_until_the_reader_says_otherwise(runs_folder: Path) -> None:
    page = open_page("emergence", runs_folder)
    assert figures(page)[0]["layout"]["xaxis"]["type"] == "log"
    page.segmented_control(key="axis").set_value("linear").run()
    assert figures(page)[0]["layout"]["xaxis"].get("type") != "log"
    assert page.query_params["axis"] == "linear"


def test_the_timeline_is_that_of_analysis(runs_folder: Path) -> None:
    run = Run.open(runs_folder / "small")
    past = history(run)
    assert past is not None
    wanted = analysis.timeline_frame(run)
    assert past.timeline.value.equals(wanted)


def test_a_growing_run_shows_its_growth(runs_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(runs_folder / "small", tmp_path / "small")
    late = tmp_path / "small" / "probes" / "20.npz"
    kept = late.read_bytes()
    late.unlink()
    page = open_page("emergence", tmp_path)
    assert component(page, "emergence")["runs"][0]["steps"] == [0, 10]
    late.write_bytes(kept)
    page.run()
    assert component(page, "emergence")["runs"][0]["steps"] == [0, 10, 20]


@pytest.mark.parametrize(("age", "on"), [(5, True), (100_000, False)])
def test_a_run_in_training_is_followed_by_itself(
    runs_folder: Path, tmp_path: Path, age: float, on: bool
) -> None:
    shutil.copytree(runs_folder / "small", tmp_path / "small")
    (tmp_path / "small" / "probes" / "20.npz").unlink()
    shutil.rmtree(tmp_path / "small" / "steps" / "20")
    line = {"step": 19, "loss": 1.0, "time": time.time() - age}
    (tmp_path / "small" / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    page = open_page("emergence", tmp_path)
    assert [toggle.value for toggle in page.toggle if toggle.key == "live"] == [True] * on
    assert Status.of(Run.open(tmp_path / "small")).growing is on


def test_a_run_that_reached_its_end_is_not_followed(runs_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(runs_folder / "small", tmp_path / "small")
    line = {"step": 20, "loss": 1.0, "time": time.time()}
    (tmp_path / "small" / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    status = Status.of(Run.open(tmp_path / "small"))
    assert not status.growing
    assert "finished" in status.sentence


def test_a_damaged_probe_is_said_and_left_out(runs_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(runs_folder / "small", tmp_path / "small")
    (tmp_path / "small" / "probes" / "10.npz").write_bytes(b"torn")
    page = open_page("emergence", tmp_path)
    assert not page.exception
    assert "at 10 cannot be read" in said(page).replace("\\", "")
    assert component(page, "emergence")["runs"][0]["steps"] == [0, 20]


def test_runs_without_a_past_say_so(runs_folder: Path) -> None:
    assert "dense twin" in said(open_page("emergence", runs_folder, run="dense"))
    assert "no probe trace yet" in said(open_page("emergence", runs_folder, run="just-started"))


def test_a_run_to_compare_that_is_not_there_is_said(runs_folder: Path) -> None:
    page = open_page("emergence", runs_folder, versus="../../etc")
    assert not page.exception
    assert any("In the address" in warning.value for warning in page.warning)
