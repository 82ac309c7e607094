"""The Causal view of a run of another model: what was measured where the model is."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from limoe_core.runs import Run
from limoe_core.runs.recording import TraceWriter
from tests.app.one_page import open_page
from tests.limoe_core.other_traces import other_trace
from tests.limoe_core.runs.test_effects import some_effects


@pytest.fixture
def run(tmp_path: Path) -> Run:
    with TraceWriter(tmp_path / "other") as writer:
        writer.add(other_trace())
    return Run.open(tmp_path / "other")


def shown(run: Run, layer: int, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    def page() -> None:
        import os

        from app.causes import recorded
        from limoe_core.runs import Run

        path, layer = os.environ["LIMOE_TEST_VIEW"].rsplit("@", 1)
        recorded.show(Run.open(path), int(layer))

    monkeypatch.setenv("LIMOE_TEST_VIEW", f"{run.path}@{layer}")
    found = AppTest.from_function(page, default_timeout=60).run()
    assert not found.exception
    return found


def plain(text: str) -> str:
    """Text without the marks that keep it from being Markdown."""
    return text.replace("\\", "")


def test_a_run_without_measurements_says_how_to_make_them(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = shown(run, 1, monkeypatch)
    assert "--causes off" in plain(page.info[0].value)


def test_effects_of_the_router_in_view_are_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    some_effects(experts=(6, 4, 4)).save(run.path_of("causal"))
    page = shown(run, 2, monkeypatch)
    assert page.header[0].value == "Rise of the loss of the caption's tokens"
    note = plain(" ".join(caption.value for caption in page.caption))
    assert "n = 12 recorded pairs" in note and "Guessing would give 6.200" in note
    table = page.dataframe[0].value
    assert len(table) == 8
    assert table.loc[(table["kind"] == "text") & (table["rise"] < -0.4), "effect"].tolist() == [
        "falls"
    ]


def test_a_router_that_was_not_measured_says_which_were(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_effects(experts=(6, 4, 4)).save(run.path_of("causal"))
    page = shown(run, 4, monkeypatch)
    assert "it was at: 1, 2" in plain(page.info[0].value)


def test_interventions_shows_them_too(run: Run) -> None:
    page = open_page("interventions", run.path.parent, run="other", layer="2")
    assert any("--causes off" in plain(each.value) for each in page.info)
    some_effects(experts=(6, 4, 4)).save(run.path_of("causal"))
    page = open_page("interventions", run.path.parent, run="other", layer="2")
    assert not page.exception
    assert "Rise of the loss of the caption's tokens" in [each.value for each in page.header]
