"""Slices in the address bar, and on every page that knows them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.shell import slices, state
from app.shell.slices import Slice
from tests.app.one_page import open_page, said
from tests.shipped import FOLDER, LIMOE

_VALUES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(
    st.dictionaries(
        st.sampled_from(["category", "style", "picture", "block 4"]),
        st.lists(_VALUES, min_size=1, max_size=4),
        min_size=1,
    ),
    st.lists(st.integers(0, 300), max_size=20),
)
def test_what_is_written_is_read_again(where: dict[str, list[str]], pairs: list[int]) -> None:
    if pairs:
        where = {**where, "pair": [str(pair) for pair in pairs]}
    written = Slice.of(where)
    assert Slice.parse(written.text) == written
    assert written.where == {label: list(values) for label, values in written.conditions}
    assert {label: {*values} for label, values in where.items()} == {
        label: {*values} for label, values in written.where.items()
    }


def test_neighbouring_pairs_are_a_range() -> None:
    assert Slice.of({"pair": [5, 3, 4, 9, 10, 1]}).text == "pair:1,3-5,9-10"


@pytest.mark.parametrize(
    "text", ["category", "category:", ":x", "pair:a", "pair:3-", "<b>:x", "style:a;style:b", "@x"]
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
    digest = slices._keep(text)
    assert len(digest) < 30
    assert slices._unfolded(digest) == text
    (file,) = cache.iterdir()
    file.write_text("picture:another.one", encoding="utf-8")
    with pytest.raises(state.BadValue, match="on the machine where it was made"):
        slices._unfolded(digest)
    with pytest.raises(state.BadValue, match="on the machine where it was made"):
        slices._unfolded("@" + "0" * 20)


ADDRESS = {"run": LIMOE.name, "slice": "pair:0-15", "called": "the first ones"}


@pytest.mark.parametrize("module", ["embeddings", "experts", "routing"])
def test_pages_are_of_the_slice(module: str) -> None:
    page = open_page(module, FOLDER, **ADDRESS)
    assert not page.exception and not page.error
    assert "Slice: the first ones" in said(page)
    assert "16 of 64 pairs" in said(page)
    leave = next(each for each in page.button if each.label == "Leave")
    page = leave.click().run()
    assert "Slice:" not in said(page)
    assert "slice" not in page.query_params


def test_too_few_pairs_are_said_to_be_few() -> None:
    page = open_page("experts", FOLDER, run=LIMOE.name, slice="pair:0-2")
    assert "holds 3 pairs here\\: too few" in said(page)
    assert "n \\= 3 pairs" in said(page)


def test_a_slice_without_pairs_can_be_left() -> None:
    page = open_page("experts", FOLDER, run=LIMOE.name, slice="category:Nothing")
    assert "No pair of this view is in the slice" in said(page)
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
