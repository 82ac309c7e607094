"""The page Training, and what every page shows of training by itself."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import analysis
from app.server.logs import logged
from app.shell import live
from limoe_core.runs import Run
from limoe_core.runs.progress import Progress
from tests.app.example_runs import small_config
from tests.app.one_page import figures, open_page, said

Open = Callable[..., AppTest]


def line(step: int, loss: float | None = 3.0, **values: Any) -> dict[str, Any]:
    modality = {"image": 0.5, "text": 0.5}
    router = {
        "share": {"image": [0.25] * 4, "text": [0.97, 0.01, 0.01, 0.01]},
        "dropped": modality,
        "local_entropy": modality,
        "global_entropy": modality,
    }
    return {
        "step": step,
        "loss": loss,
        "contrastive": 2.5,
        "pairs_per_second": 32.0,
        "time": time.time(),
        "routers": [{"layer": layer, **router} for layer in (1, 2)],
        **values,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run = Run.create(tmp_path / "runs" / "mine", small_config())
    for step in range(1, 41):
        run.append_metrics(line(step))
    return tmp_path / "runs"


def sidebar(page: AppTest) -> str:
    captions = [each.value for each in page.sidebar.caption]
    bars = [each.proto.text for each in page.sidebar.get("progress")]
    return "\n".join([*captions, *bars]).replace("\\", "")


# ---- the page


def test_alarms_are_said_in_words_with_their_rule(folder: Path) -> None:
    text = said(open_page("training", folder)).replace("\\", "")
    assert "In block 1, E0 is the first choice of up to 97% of all text tokens" in text
    assert "Since step 1, and it still holds" in text
    assert "Rule “modality on one expert”: over 95% of a modality's tokens" in text


def test_a_run_that_has_logged_nothing_says_so(folder: Path) -> None:
    run = Run.create(folder / "fresh", small_config())
    run.save_progress(Progress("compiling", 0, expected=60.0))
    with run.held_for_training():
        page = open_page("training", folder, run="fresh")
        assert not page.exception
        assert not figures(page)
        assert "compiling the step" in page.get("progress")[0].proto.text
    assert "has logged nothing yet" in said(page)


@pytest.mark.parametrize(
    "address",
    [
        {"show": "routers", "layer": "1"},
        {"x": "hours", "logx": "on", "logy": "on", "smooth": "10"},
        {"with": "mine/other"},
        {"show": "validation"},
        {"with": "nobody", "x": "weeks", "smooth": "7"},
    ],
)
def test_addresses(folder: Path, address: dict[str, str]) -> None:
    shutil.copytree(folder / "mine", folder / "other")
    page = open_page("training", folder, run="mine", **address)
    assert not page.exception
    assert not page.error
    if address.get("with") == "nobody":
        assert "there is no run 'nobody' here" in said(page).replace("\\", "")


def test_other_runs_stand_on_the_same_axis(folder: Path) -> None:
    shutil.copytree(folder / "mine", folder / "other")
    page = open_page("training", folder, run="mine")
    page.multiselect(key="with").set_value(["other"]).run()
    assert page.query_params["with"] == "other"
    names = {trace["name"] for trace in figures(page)[0]["data"]}
    assert names == {"mine", "other"}


def test_what_was_logged_since_is_read_and_nothing_twice(folder: Path) -> None:
    run = Run.open(folder / "mine")
    before = logged(run)
    assert before.scalars.value is logged(run).scalars.value
    run.append_metrics(line(41, loss=None))
    after = logged(run)
    assert after.scalars.value.equals(analysis.training_frame(run))
    assert after.routers.value.equals(analysis.training_routers(run))
    assert after.alarms.value.equals(analysis.training_alarms(run))
    assert len(before.scalars.value) < len(after.scalars.value)
    run.truncate_metrics(10)
    assert logged(run).scalars.value.equals(analysis.training_frame(run))
    assert logged(run).alarms.value.equals(analysis.training_alarms(run))


# ---- what every page shows


def test_runs_in_training_are_named_on_every_page(opened: Open, runs_folder: Path, folder: Path):
    shutil.copytree(runs_folder / "small", folder / "small")
    run = Run.open(folder / "mine")
    run.save_progress(Progress("training", 40))
    with run.held_for_training():
        page = opened(folder, run="small")
        assert "mine · In training: step 40" in sidebar(page).replace("**", "")
    page.run()
    assert "In training" not in sidebar(page)


def test_a_run_that_comes_later_is_listed_and_moves_nobody(
    opened: Open, runs_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(runs_folder / "small", tmp_path / "small")
    page = opened(tmp_path)
    assert page.selectbox(key="run").value == "small"
    shutil.copytree(runs_folder / "small", tmp_path / "another")
    page.run()
    assert page.selectbox(key="run").options == ["another", "small"]
    assert page.selectbox(key="run").value == "small", "the reader's page is of the same run"


def test_the_newest_step_is_shown_while_the_run_is_followed(
    opened: Open, runs_folder: Path, tmp_path: Path
) -> None:
    run = Run.open(shutil.copytree(runs_folder / "small", tmp_path / "small"))
    kept = run.path_of("probe", 20).read_bytes()
    run.path_of("probe", 20).unlink()
    shutil.rmtree(run.path_of("parameters", 20))
    with run.held_for_training():
        page = opened(tmp_path)
        assert page.toggle(key="live").value is True
        assert page.select_slider(key="step").value == 10
        run.path_of("probe", 20).write_bytes(kept)
        page.run()
        assert page.select_slider(key="step").value == 20
        page.select_slider(key="step").set_value(0).run()
        page.run()
        assert page.select_slider(key="step").value == 0, "a step that was chosen stays"


def test_the_page_is_run_again_only_for_what_it_shows(runs_folder: Path, tmp_path: Path) -> None:
    run = Run.open(shutil.copytree(runs_folder / "small", tmp_path / "small"))
    before = live._seen(tmp_path, run)
    run.append_metrics({"step": 20, "loss": 1.0})
    assert live._seen(tmp_path, run) == before, "a line of metrics is no reason"
    with run.held_for_training():
        assert live._seen(tmp_path, run) != before
    assert live._seen(tmp_path, run) == before
    Run.create(tmp_path / "new", small_config())
    assert live._seen(tmp_path, run) != before


def test_a_page_that_follows_a_run_is_drawn_again_for_its_log_too(
    runs_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session: dict[str, Any] = {}
    monkeypatch.setattr(st, "session_state", session)
    run = Run.open(shutil.copytree(runs_folder / "small", tmp_path / "small"))
    live.follow(run)
    [(now, then)] = session[live._FOLLOWED]
    assert now() == then
    run.append_metrics({"step": 20, "loss": 1.0})
    assert now() != then
    shutil.rmtree(run.path)
    now()
