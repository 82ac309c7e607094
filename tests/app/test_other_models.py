"""Runs that hold traces of another model: every page shows what it can and says what it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from limoe_core.runs import TraceWriter
from tests.app.one_page import open_page, said
from tests.app.test_routing import figure
from tests.limoe_core.other_traces import other_trace


def _said(page: AppTest) -> str:
    """The words of the page, without the marks that keep them from being Markdown."""
    return said(page).replace("\\", "")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("others")
    for name, options in (("whole", {}), ("bare", {"scores": False, "weights": False})):
        with TraceWriter(folder / name, gate_steps=None, data="a folder") as writer:
            writer.add(other_trace(**options))
    return folder


@pytest.mark.parametrize("run", ["whole", "bare"])
def test_routing_shows_the_recorded_pairs(folder: Path, run: str) -> None:
    page = open_page("routing", folder, run=run, example="1", layer="3")
    assert not page.exception and not page.error
    data = figure(page)
    one = other_trace(scores=run == "whole", weights=run == "whole").select([1])
    assert data["expert"] == one.expert.tolist()
    assert [(p["rows"], p["columns"]) for p in data["pictures"]] == [(3, 2), (1, 4)]
    assert all(p["src"].startswith("data:image/webp") for p in data["pictures"])
    assert data["names"][2] == "block 2, attention"
    assert "cannot be routed here" in _said(page)
    assert "no capacity" in data["group"]["sentence"]
    assert ("gate" in data) == (run == "whole")


VIEWS = ("modalities", "closely", "preferences", "paths", "causal", "sceptic")


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("run", ["whole", "bare"])
def test_experts_show_what_the_traces_hold(folder: Path, run: str, view: str) -> None:
    page = open_page("experts", folder, run=run, view=view, layer="1")
    assert not page.exception and not page.error
    words = _said(page)
    assert "org/a-model, traces of step 0" in words
    assert "tokens per expert" not in words and "no capacity" in words
    assert "9 tokens of other kinds are not counted" in words
    if view == "modalities":
        assert "by design" in words
        names = {name for table in page.dataframe for name in table.value.get("layer", ())}
        assert {"block 1, attention", "block 2, mlp"} <= names
        assert "block 2, mlp" in page.get("plotly_chart")[1].proto.spec
    if view == "closely":
        assert ("no weights" in words) == (run == "bare")
    if view == "sceptic":
        assert "hold no inputs of its routers" in words


def test_emergence_says_that_there_is_one_step(folder: Path) -> None:
    page = open_page("emergence", folder, run="whole")
    assert not page.exception and not page.error
    assert "traces of one step" in _said(page)


@pytest.mark.parametrize("show", ["classify", "accuracy"])
def test_zero_shot_says_that_there_is_no_model(folder: Path, show: str) -> None:
    page = open_page("zero_shot", folder, run="whole", show=show)
    assert not page.exception and not page.error
    assert "traces of org/a-model, not the model" in _said(page)


@pytest.mark.parametrize("page", ["interventions", "training", "embeddings", "compare"])
def test_pages_that_need_the_model_say_so(folder: Path, page: str) -> None:
    shown = open_page(page, folder, run="whole")
    assert not shown.exception and not shown.error
    assert "traces of org/a-model, not the model" in _said(shown)
