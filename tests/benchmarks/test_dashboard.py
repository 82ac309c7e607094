"""The dashboard measured in a browser, on sizes where the figures themselves mean nothing."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from app.components.routing import MOST_CHOICES
from benchmarks import dashboard
from benchmarks.dashboard import browser, frames
from benchmarks.dashboard.made_up import Size, large_run, points_run
from benchmarks.measure import Line

pytestmark = pytest.mark.benchmark

SMALL = Size(layers=3, experts=4, top_k=2, side=4, pairs=3, steps=(0, 10))


def measured(what: Callable[..., list[Line]], *given: object) -> list[Line]:
    """In a process of its own: Playwright takes one browser driver a process."""
    if (missing := browser.missing()) is not None:
        pytest.skip(missing)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(what, *given).result()


def hovered(folder: Path) -> list[Line]:
    with browser.chromium() as chromium:
        return frames.hover_lines(chromium, folder, 3, "made up")


def test_a_picture_is_opened_and_measured_in_a_browser(tmp_path: Path) -> None:
    large_run(tmp_path / "runs" / "made-up", SMALL)
    lines = measured(hovered, tmp_path / "runs")
    assert [(line.unit, line.goal) for line in lines] == [("ms", 1000 / 60)] * 2
    assert all(line.value is not None and line.value > 0 for line in lines)


@pytest.mark.long  # six servers, one after another
def test_every_promise_about_the_dashboard_has_a_line() -> None:
    lines = measured(
        dashboard.run,
        dashboard.Amount(
            large=SMALL,
            points=200,
            openings=1,
            rounds=1,
            moves=3,
            frames=5,
            readers=2,
            changes=4,
            more=4,
        ),
    )
    found = {line.name: line for line in lines}
    assert len(found) == len(lines), "two lines have one name"
    assert all(line.how and line.value is not None and line.value >= 0 for line in lines)
    goals = {name: (line.goal, line.unit) for name, line in found.items() if line.goal}
    assert goals == {
        "first routing picture of a fresh server, made up ÷ shipped": (1.5, ""),
        "first routing picture of a running server, made up ÷ shipped": (1.5, ""),
        **{
            f"sent for {what}, {whose}": (goal, "kB")
            for what, goal in (
                ("the first routing picture", 1000),
                ("a change of example", 50),
                ("a change of layer", 50),
            )
            for whose in ("shipped", "made up")
        },
        "a new text ÷ an empty rerun": (3, ""),
        "another example ÷ an empty rerun": (2, ""),
        "another tab ÷ an empty rerun": (4, ""),
        "another page ÷ an empty rerun": (6, ""),
        "hover over a patch: from the move to the painted frame": (1000 / 60, "ms"),
        "hover over an expert of the legend: from the move to the painted frame": (1000 / 60, "ms"),
        "Embeddings, 200 points moved: main thread a frame": (1000 / 60, "ms"),
        "Embeddings, 200 points zoomed: main thread a frame": (1000 / 60, "ms"),
        "2 readers at once: median answer to another example": (3, "s"),
        "memory of the server: growth over further changes": (40, "MB"),
    }
    assert all("made-up run of 3 MoE layers" in found[n].how for n in goals if "made up" in n)


def test_without_a_browser_earlier_lines_stay(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(browser, "missing", lambda: "there is no browser")
    assert dashboard.run() == []
    assert "there is no browser" in capsys.readouterr().out


def test_a_made_up_run_is_routed_as_a_router_would(tmp_path: Path) -> None:
    run = large_run(tmp_path / "made-up", SMALL)
    assert run.probe_steps() == [0, 10]
    trace, pictures = run.probe(10), run.probe_pictures()
    assert trace.expert.shape == (3, 3 * (16 + 8), 2) and trace.num_experts == 4
    chosen = np.sort(trace.expert, axis=-1)
    assert (chosen[..., 1:] != chosen[..., :-1]).all(), "a token chose an expert twice"
    assert trace.gate is not None and (trace.gate[..., 0] >= trace.gate[..., 1]).all()
    assert pictures is not None and len(pictures) == trace.num_pairs
    large = Size()
    assert large.layers * (large.side**2 + 8) * large.top_k > MOST_CHOICES


def test_made_up_points_are_as_many_as_asked_for(tmp_path: Path) -> None:
    trace = points_run(tmp_path / "made-up", 50).probe(0)
    assert trace.num_pairs == 50 and trace.num_tokens == 100
    np.testing.assert_allclose(np.linalg.norm(trace.text_embeddings, axis=1), 1, rtol=1e-3)
