"""Texts on disk are read as an array of them would be."""

from __future__ import annotations

import json
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limoe_core.config import ConfigError
from limoe_core.data import caption_file as module
from limoe_core.data import texts as texts_module
from limoe_core.data.caption_file import CaptionFile, caption_table
from limoe_core.data.importing import split_files
from limoe_core.data.importing.split_files import write_captions_of
from limoe_core.data.pairs import spread
from limoe_core.data.texts import Made, Texts, json_pieces, read, read_lists

LANGUAGES = ["en", "de", "ja"]
said = st.lists(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["", "a", "ein b", "赤"])), min_size=1),
    min_size=1,
    max_size=12,
)


def written(path: Path, pictures: list[list[tuple[int, str]]]) -> CaptionFile:
    rows = [(place, language, text) for place, own in enumerate(pictures) for language, text in own]
    picture, language = np.array([row[:2] for row in rows]).T
    texts = pa.array([text for _, _, text in rows], pa.large_string())
    write_captions_of(path, len(pictures), picture, language.astype(np.int32), LANGUAGES, texts)
    return CaptionFile(path)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So small that a few pictures lie in several."""
    for each in (module, split_files, texts_module):
        monkeypatch.setattr(each, "AT_ONCE", 4)


@given(said, st.data())
def test_names_and_aliases_are_those_of_a_plain_loop(
    pictures: list[list[tuple[int, str]]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = written(Path(folder) / "captions.arrow", pictures)
        chosen = sorted(data.draw(st.sets(st.integers(0, len(pictures) - 1))))
        rows = np.array(chosen, np.int64)
        keys = Made(len(rows), lambda places: [f"{place}" for place in places.tolist()])
        table = caption_table(file, rows, keys)
        for place, own in enumerate(pictures[row] for row in chosen):
            by_language = {n: [text for number, text in own if number == n] for n in range(3)}
            spoken = next(found[0] for found in by_language.values() if found)
            for number, language in enumerate(LANGUAGES):
                name = by_language[number][0] if by_language[number] else spoken
                assert table.names[language][place] == name
            first = list(dict.fromkeys(by_language[0]))[1:]
            assert table.aliases[place] == tuple(first)


def test_texts_are_indexed_as_arrays_are(tmp_path: Path) -> None:
    file = written(tmp_path / "captions.arrow", [[(0, f"text {i}")] for i in range(11)])
    names, plain = file.names("en"), np.array([f"text {i}" for i in range(11)])
    assert isinstance(names, Texts) and len(names) == 11
    assert (names[3], names[-1]) == ("text 3", "text 10")
    for index in (slice(2, 9, 3), np.array([7, 0, 7]), plain > "text 5", np.array([], int)):
        np.testing.assert_array_equal(names[index], plain[index])
    assert list(names) == names.tolist() == np.asarray(names).tolist() == plain.tolist()
    assert read(plain, np.array([1])) == read(names, np.array([1])) == ["text 1"]
    assert b"".join(json_pieces(names)) == json.dumps(plain.tolist()).encode()
    assert read_lists(file.aliases(), np.array([4])) == [()]
    with pytest.raises(IndexError):
        names[11]


def test_a_file_is_opened_anew_in_a_worker_and_not_copied(tmp_path: Path) -> None:
    file = written(tmp_path / "captions.arrow", [[(0, "x" * 1000)] for _ in range(50)])
    sent = pickle.dumps(file)
    assert len(sent) < 1000
    assert pickle.loads(sent).names("en")[49] == "x" * 1000


def test_a_digest_of_captions_is_of_all_and_of_nothing_else(tmp_path: Path) -> None:
    def digest(*pictures: list[tuple[int, str]]) -> str:
        return written(tmp_path / "captions.arrow", list(pictures)).digest

    first = digest([(0, "a"), (1, "b")], [(0, "c")])
    assert digest([(0, "a"), (1, "b")], [(0, "c")]) == first
    others = [
        digest([(0, "a"), (1, "b")], [(0, "d")]),
        digest([(0, "a"), (2, "b")], [(0, "c")]),
        digest([(0, "a"), (0, "b")], [(0, "c")]),
        digest([(0, "ab"), (1, "")], [(0, "c")]),
        digest([(0, "a")], [(0, "b"), (1, "c")]),
    ]
    assert len({first, *others}) == 6


def test_a_damaged_file_is_refused_and_never_ends_the_process(tmp_path: Path) -> None:
    path = tmp_path / "captions.arrow"
    written(path, [[(0, f"text {i}"), (1, "赤"), (0, "b")] for i in range(11)])
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(200):
        change, at = bytearray(whole), int(rng.integers(len(whole) - 8)) // 8 * 8
        change[at : at + 8] = rng.choice([b"\xff" * 8, b"\0" * 7 + b"\x40", bytes(rng.bytes(8))])
        path.write_bytes(change)
        try:
            file = split_files.read_captions(path, 11)
        except ConfigError:
            refused += 1
            continue
        for language in file.languages:
            assert len(file.names(language).tolist()) == 11
        assert len(list(file.aliases())) == 11
    assert refused > 50
    path.write_bytes(whole)
    with pytest.raises(ConfigError, match=r"damaged \(it is of 11 pictures and not of 12\)"):
        split_files.read_captions(path, 12)


@given(st.integers(1, 5000), st.integers(1, 600), st.integers(1, 50))
def test_places_are_spread_over_all(count: int, at_most: int, run: int) -> None:
    run = min(run, at_most)
    places = spread(count, at_most, run)
    assert len(places) <= at_most and len(set(places.tolist())) == len(places)
    assert places.min() >= 0 and places.max() < count
    if count <= at_most:
        assert places.tolist() == list(range(count))
    elif len(places) > run:
        assert places[0] == 0 and places[-1] == count - 1
