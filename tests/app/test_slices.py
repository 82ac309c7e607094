"""Slices in the address bar, and on every page that knows them."""

from __future__ import annotations

import dataclasses
import errno
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import analysis
from app.shell import long_slices, slices, state
from app.shell.conditions import Slice
from limoe_core.runs import Run
from tests.app.evaluated_runs import make_evaluated
from tests.app.one_page import component, figures, open_page, said
from tests.shipped import FOLDER, LIMOE

_VALUES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(
    st.dictionaries(
        st.sampled_from(["category", "style", "picture", "stratum"]),
        st.lists(_VALUES, min_size=1, max_size=4),
        min_size=1,
    ),
    st.dictionaries(
        st.sampled_from(["pair", "block 4", "block 12"]),
        st.lists(st.integers(0, 300).map(str), min_size=1, max_size=20),
    ),
)
def test_what_is_written_is_read_again(
    where: dict[str, list[str]], numbers: dict[str, list[str]]
) -> None:
    where = {**where, **numbers}
    written = Slice.of(where)
    assert Slice.parse(written.text) == written
    assert written.where == {label: list(values) for label, values in written.conditions}
    assert {label: {*values} for label, values in where.items()} == {
        label: {*values} for label, values in written.where.items()
    }


def test_neighbouring_pairs_are_a_range() -> None:
    assert Slice.of({"pair": [5, 3, 4, 9, 10, 1]}).text == "pair:1,3-5,9-10"


@pytest.mark.parametrize(
    "text",
    [
        "category",
        "category:",
        ":x",
        "pair:a",
        "pair:3-",
        "pair:5-3",
        "block_1:abc",
        "block_1:0,-1",
        "block_1:٣",
        "<b>:x",
        "style:a;style:b",
        "@x",
        "pair:" + "0," * 10_000 + "0",
    ],
)
def test_what_is_no_slice(text: str) -> None:
    with pytest.raises(state.BadValue):
        slices._readable(text)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "slices"
    folder.mkdir()
    monkeypatch.setattr("limoe_core.places.cache", lambda *parts: folder)
    return folder


def test_a_long_slice_is_kept_and_read_where_it_was_made(cache: Path) -> None:
    text = Slice.of({"picture": [f"1F{n:03d}.noto" for n in range(300)]}).text
    digest = long_slices.keep(text)
    assert len(digest) < 30
    assert long_slices.unfolded(digest) == text
    (file,) = cache.iterdir()
    file.write_text("picture:another.one", encoding="utf-8")
    with pytest.raises(state.BadValue, match="on the machine where it was made"):
        long_slices.unfolded(digest)
    with pytest.raises(state.BadValue, match="on the machine where it was made"):
        long_slices.unfolded("@" + "0" * 20)


def test_a_number_of_an_expert_is_one_however_it_is_written() -> None:
    assert Slice.parse("block_4:03,3,1") == Slice.of({"block 4": [1, 3]})


@pytest.mark.parametrize("trouble", ["full disk", "no folder", "too long"])
def test_a_slice_that_cannot_be_kept_is_not_lost(
    runs_folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(state, "LONGEST_IN_ADDRESS", 25)
    match trouble:
        case "full disk":
            monkeypatch.setattr(long_slices, "replacing", full)
        case "no folder":
            monkeypatch.setattr("limoe_core.places.cache", lambda *parts: None)
        case "too long":
            monkeypatch.setattr(long_slices, "_LONGEST_FILE", 5)
    page = open_page("routing", runs_folder, run="small")
    (values,) = (each for each in page.multiselect if each.label == "with one of")
    values.set_value(["Food", "Animals", "Symbols"])
    page = next(each for each in page.button if each.key == "slice.use").click().run()
    assert not page.exception and not page.error
    assert "6 of 6 pairs here" in said(page)
    assert "could not be kept on this machine" in said(page)
    page = page.run()
    assert "6 of 6 pairs here" in said(page)
    assert list(cache.iterdir()) == []


ADDRESS = {"run": LIMOE.name, "slice": "pair:0-15", "called": "the first ones"}


@pytest.mark.parametrize(
    "module",
    [
        "emergence",
        "embeddings",
        "experts",
        "routing",
        pytest.param("interventions", marks=pytest.mark.training),
    ],
)
def test_pages_are_of_the_slice(module: str) -> None:
    page = open_page(module, FOLDER, **ADDRESS)
    assert not page.exception and not page.error
    assert "Slice: the first ones" in said(page)
    assert "16 of 64 pairs" in said(page)
    leave = next(each for each in page.button if each.label == "Leave")
    page = leave.click().run()
    assert "Slice:" not in said(page)
    assert "slice" not in page.query_params


@pytest.mark.parametrize(
    ("module", "run", "address"),
    [
        ("emergence", "dense", {}),
        ("zero_shot", "small", {"show": "confusions"}),
        ("compare", "small", {"show": "experts", "versus": "dense"}),
    ],
)
def test_a_slice_can_be_left_where_nothing_is_made_of_it(
    runs_folder: Path, module: str, run: str, address: dict[str, str]
) -> None:
    page = open_page(module, runs_folder, run=run, slice="category:Food", called="mine", **address)
    assert not page.exception and not page.error
    assert said(page).count("Slice: mine") == 1
    assert "not used in what this page shows now" in said(page)
    assert page.query_params["slice"] == "category:Food"
    page = next(each for each in page.button if each.label == "Leave").click().run()
    assert "Slice:" not in said(page)


def test_a_slice_of_probe_pairs_is_of_those_where_others_were_measured() -> None:
    assert LIMOE.has("experts", LIMOE.expert_steps()[-1])
    page = open_page("experts", FOLDER, run=LIMOE.name, slice="pair:0-15")
    assert "holds none of the pairs that evaluate" in said(page)
    assert "n \\= 16 pairs in the slice" in said(page)
    page = open_page("experts", FOLDER, run=LIMOE.name)
    assert "n \\= 1,024 pairs" in said(page)


def test_too_few_pairs_are_said_to_be_few() -> None:
    page = open_page("experts", FOLDER, run=LIMOE.name, slice="pair:0-2")
    assert "holds 3 pairs here\\: too few" in said(page)
    assert "n \\= 3 pairs" in said(page)


@pytest.mark.parametrize(
    "module",
    [
        "emergence",
        "embeddings",
        "experts",
        "routing",
        pytest.param("interventions", marks=pytest.mark.training),
    ],
)
@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ("category:Nothing", "no pair here is in the slice"),
        ("stratum:siblings", "the slice is of stratum, of which nothing is known here"),
    ],
)
def test_a_slice_without_pairs_leaves_all_on_every_page(
    runs_folder: Path, module: str, wanted: str, why: str
) -> None:
    page = open_page(module, runs_folder, run="small", slice=wanted)
    assert not page.exception and not page.error
    words = said(page).replace("\\", "")
    assert words.count(f"All pairs are shown: {why}.") == 1
    assert "not used: all 6 pairs are shown" in words
    assert "in the slice, of 6" not in words
    assert any(each.label == "Leave" for each in page.button)


def test_a_slice_that_was_kept_elsewhere_is_answered_with_a_sentence(cache: Path) -> None:
    page = open_page("routing", FOLDER, run=LIMOE.name, slice="@" + "1" * 20)
    assert "kept on the machine where it was made" in said(page)
    assert "Slice:" not in said(page)


@pytest.mark.parametrize("show", ["accuracy", "confusions"])
def test_answers_of_a_slice(show: str) -> None:
    page = open_page("zero_shot", FOLDER, run=LIMOE.name, show=show, slice="category:Flags")
    assert not page.exception and not page.error
    assert "pictures here" in said(page)
    if show == "accuracy":
        assert "In the slice" in [each.value for each in page.header]


def test_an_address_cannot_ask_for_a_million_pairs() -> None:
    for text in ("pair:0-999999", "pair:0-99998,7-8", "pair:" + ",".join(["0-9999"] * 20)):
        with pytest.raises(state.BadValue, match="at most 100,000"):
            Slice.parse(text)
    assert len(Slice.parse("pair:0-9999").where["pair"]) == 10_000


def test_emergence_is_of_the_slice(runs_folder: Path) -> None:
    page = open_page("emergence", runs_folder, run="small", slice="category:Food", layer="2")
    assert "n = 4 pairs in the slice, of 6" in said(page)
    assert "4 of 6 pairs here" in said(page)
    (small,) = component(page, "emergence")["runs"]
    trace = analysis.slice_trace(Run.open(runs_folder / "small").probe(10), {"pair": range(4)})
    wanted = analysis.roles(trace).query("layer == 2")
    assert small["tokens"]["image"][1] == wanted["image_tokens"].tolist()


def test_numbers_of_pairs_are_those_of_the_first_run(runs_folder: Path, tmp_path: Path) -> None:
    for name in ("one", "other"):
        shutil.copytree(runs_folder / "small", tmp_path / name)
    other = Run.open(tmp_path / "other")
    for step in other.probe_steps():
        other.save_probe(step, other.probe(step).select([5, 4, 3, 2, 1, 0]))
    page = open_page("emergence", tmp_path, run="one", versus="other", slice="pair:0-2")
    assert "other is left out: the slice is of numbers" in said(page).replace("\\", "")
    assert said(page).count("n = 3 pairs in the slice, of 6") == 1


def test_training_says_that_it_is_of_whole_batches(runs_folder: Path) -> None:
    page = open_page("training", runs_folder, run="small", slice="pair:0-3", called="mine")
    assert "numbers of whole batches, and none of single pairs" in said(page)
    assert "Slice: mine" in said(page)
    page = next(each for each in page.button if each.label == "Leave").click().run()
    assert "whole batches" not in said(page)


def test_experts_of_two_steps_are_compared_on_the_slice(runs_folder: Path) -> None:
    address = {"run": "small", "versus": "small", "at": "10", "show": "experts"}
    page = open_page("compare", runs_folder, slice="category:Food", **address)
    assert not page.exception and not page.error
    assert "n = 4 and 4 validation pairs in the slice, the same ones: paired" in said(page)
    page = open_page("compare", runs_folder, slice="pair:1", **address)
    assert not page.error
    words = said(page).replace("\\", "")
    assert "All pairs are shown: a difference with an interval needs at least two" in words
    assert "n = 6 and 6 validation pairs, the same ones" in words


def test_pictures_that_one_run_alone_knows_are_a_slice(runs_folder: Path, tmp_path: Path) -> None:
    folder = make_evaluated(runs_folder, tmp_path / "runs")
    address = {"run": "small", "show": "zero-shot"}
    runs = [Run.open(folder / name) for name in ("small", "dense")]
    mine, theirs = (run.predictions("zero_shot_test_style", 20) for run in runs)
    answers = analysis.paired_answers(mine, theirs)
    some = answers[answers["answered"] == "second alone"]
    assert len(some)
    page = open_page("compare", folder, answered="second", **address)
    assert any("corrected" in json.dumps(each) for each in figures(page))
    assert f"{len(some)} of n = {len(answers)} pictures" in said(page).replace("\\", "")
    page = next(each for each in page.button if each.key == "compare.slice").click().run()
    assert not page.exception and not page.error
    assert "intervals and p-values mean nothing" in said(page).replace("\\", "")
    assert "told from chance after" not in said(page)  # by which they were picked
    assert "corrected for all rows" not in said(page)
    assert not any("corrected" in json.dumps(each) for each in figures(page))
    words = said(page).replace("\\", "")
    assert "Slice: test_style, names in en: Only dense is right" in words
    assert "compare.slice" not in [each.key for each in page.button]  # it is on
    assert f"{len(some)} of {len(answers)} pictures here" in said(page)
    assert "Of all pictures, and not of the slice" in said(page)
    pictures = ",".join(sorted({*(some["key"] + "." + some["style"])}))
    assert page.query_params["slice"] == f"picture:{pictures}"
    assert f"{len(some)} of n = {len(some)} pictures" in said(page).replace("\\", "")


@pytest.mark.parametrize(
    ("module", "address"),
    [("zero_shot", {"show": "confusions"}), ("compare", {"show": "zero-shot"})],
)
def test_slices_are_offered_by_all_that_answers_know(
    runs_folder: Path, tmp_path: Path, module: str, address: dict[str, str]
) -> None:
    folder = make_evaluated(runs_folder, tmp_path / "runs")
    for name in ("small", "dense"):
        run = Run.open(folder / name)
        answers = run.predictions("zero_shot_test_style", 20)
        strata = np.array(["siblings", "rest"] * 6)
        known = dataclasses.replace(answers, stratum=strata, familiarity=strata)
        known.save(run.path, "zero_shot_test_style", 20)
    page = open_page(module, folder, run="small", **address)
    (by,) = [each for each in page.selectbox if each.label == "Pairs by"]
    assert by.options == ["category", "style", "stratum", "familiarity"]
    page = open_page(module, folder, run="small", slice="stratum:siblings", **address)
    assert not page.exception and not page.error
    assert "6 of 12 pictures here" in said(page)


def test_a_slice_without_pictures_leaves_all(runs_folder: Path, tmp_path: Path) -> None:
    folder = make_evaluated(runs_folder, tmp_path / "runs")
    page = open_page("compare", folder, run="small", show="zero-shot", slice="style:none")
    words = said(page).replace("\\", "")
    assert "All pictures are shown: no picture here is in the slice." in words
