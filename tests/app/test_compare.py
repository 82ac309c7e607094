"""The page Compare, without a browser."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from app.views.compare.sides import Side, Sides
from limoe_core.runs import Run
from tests.app.evaluated_runs import make_evaluated
from tests.app.one_page import figures, open_page, said


@pytest.fixture
def folder(runs_folder: Path, tmp_path: Path) -> Path:
    shutil.copytree(runs_folder / "small", tmp_path / "small")
    shutil.copytree(runs_folder / "small", tmp_path / "other")
    return tmp_path


def text(page) -> str:
    return said(page).replace("\\", "")


def test_two_runs_are_routed_side_by_side(folder: Path) -> None:
    page = open_page("compare", folder, run="small", versus="other")
    assert not page.exception
    assert not page.error
    assert "small against other" in text(page).replace("**", "")
    assert "Seeds 0 and 0, one run each" in text(page)
    assert "Both as recorded in training" in text(page)


def test_two_steps_of_one_run(folder: Path) -> None:
    page = open_page("compare", folder, run="small", versus="small", at="10", show="experts")
    assert not page.exception
    assert "step 20 against step 10 of small" in text(page).replace("**", "")
    assert "the same ones: paired" in text(page)
    shares = figures(page)[-2:]
    assert shares[0]["layout"]["yaxis"]["range"] == shares[1]["layout"]["yaxis"]["range"]


def test_a_text_of_ones_own_is_routed_by_both(folder: Path) -> None:
    page = open_page("compare", folder, run="small", versus="small", at="10", text="a blue dog")
    assert not page.exception
    assert not page.error
    assert "Each alone, with unlimited capacity" in text(page)


def test_a_dense_twin_is_compared_in_what_it_can_do(runs_folder: Path, tmp_path: Path) -> None:
    folder = make_evaluated(runs_folder, tmp_path / "runs")
    page = open_page("compare", folder, run="small")
    assert not page.exception
    assert not page.error
    assert page.selectbox(key="versus").value == "dense"
    assert "told from chance after Holm's correction" in text(page)
    page = open_page("compare", folder, run="small", show="routing")
    assert "dense is a dense twin: it has no experts" in text(page)


def test_where_nothing_can_be_compared_it_says_so(runs_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(runs_folder / "just-started", tmp_path / "just-started")
    page = open_page("compare", tmp_path)
    assert "no checkpoint, probe trace or evaluation yet" in text(page)
    page = open_page("compare", runs_folder, run="small", versus="just-started")
    assert "just-started has no checkpoint" in text(page)
    page = open_page("compare", runs_folder, run="small", versus="../../etc")
    assert not page.exception


def test_sides_are_named_by_what_tells_them_apart(folder: Path) -> None:
    small, other = Run.open(folder / "small"), Run.open(folder / "other")
    assert Sides(Side(small, 20), Side(small, 10)).names == ("step 20", "step 10")
    assert Sides(Side(small, 20), Side(other, 20)).names == ("small", "other")
    assert Sides(Side(small, 20), Side(other, 10)).names == ("small, step 20", "other, step 10")
