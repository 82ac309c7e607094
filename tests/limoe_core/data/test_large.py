"""Large splits: nothing grows with them but a few numbers a picture, and everything works."""

from __future__ import annotations

import io
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.synthetic import imported, small_pngs
from limoe_core.config import Config, DataConfig
from limoe_core.data import caption_file, prepared_split
from limoe_core.data.batches import BatchSource, training_batches
from limoe_core.data.captions import CaptionCounts
from limoe_core.data.pairs import PairSet
from limoe_core.data.source import load_pairs
from limoe_core.data.texts import Texts
from limoe_core.presets import preset
from limoe_core.tokenizer import Tokenizer
from limoe_core.training.summary import summary
from tests.limoe_core.data.small_sets import write_coco
from tests.limoe_core.data.test_prepared import example, features, torn_set, write_set

COUNT = 100_000


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> DataConfig:
    """Of 20 pictures, each of which comes 5,000 times."""
    return imported(tmp_path_factory.mktemp("many"), small_pngs(20), COUNT // 20)


@pytest.fixture(scope="module")
def pairs(many: DataConfig) -> PairSet:
    return load_pairs(many, "train", progress=False)


@pytest.fixture(scope="module")
def tokenizer(pairs: PairSet) -> Tokenizer:
    return Tokenizer.train(pairs.captions(1000), 400, at_most=True)


def settings(data: DataConfig, **more: object) -> Config:
    return replace(preset("debug"), data=replace(data, batch_size=16, **more))


@pytest.mark.training
def test_no_python_object_is_made_for_each_picture(many: DataConfig) -> None:
    load_pairs(many, "validation", progress=False)  # imports and caches
    tracemalloc.start()
    try:
        pairs = load_pairs(many, "train", progress=False)
        assert len(pairs.digest) == 32
        tokenizer = Tokenizer.train(pairs.captions(1000), 400, at_most=True)
        CaptionCounts.of(pairs, tokenizer, 16, at_most=1000)
        BatchSource(pairs, tokenizer, settings(many))[0]
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Numbers of records, concepts, the shuffle and what is made of them for a moment; a list of
    # texts alone would be 100 bytes a picture.
    assert most < 80 * COUNT + 10e6


def test_texts_of_a_large_split_stay_on_disk(pairs: PairSet) -> None:
    table = pairs.concepts
    assert len(pairs) == len(table) == COUNT
    assert all(isinstance(each, Texts) for each in (table.keys, *table.names.values()))
    assert table.names["en"][77_777].endswith(" 77777")
    assert table.digest and pairs.languages == ("en",)


def test_batches_are_the_pictures_with_their_captions(
    pairs: PairSet, tokenizer: Tokenizer, many: DataConfig
) -> None:
    batch = next(training_batches(pairs, tokenizer, settings(many, captions_per_image=1)))
    for row, place in enumerate(batch["concept"].tolist()):
        wanted = tokenizer.encode([pairs.concepts.names["en"][place]], 16)[0]
        np.testing.assert_array_equal(batch["text"][row, 0], wanted)
        np.testing.assert_array_equal(batch["image"][row], pairs.pictures[place])


def test_what_is_said_of_captions_is_of_a_part_and_says_so(
    pairs: PairSet, tokenizer: Tokenizer
) -> None:
    counts = CaptionCounts.of(pairs, tokenizer, 16, at_most=2000)
    assert counts.captions == counts.different == counts.concepts == 2000
    told = summary("r", Config(), {"train": pairs, "validation": pairs}, counts)
    assert "of its captions 2,000, spread evenly, were looked at: they are 2,000 diff" in told[1]


def test_some_pairs_of_a_large_split_are_a_split_in_memory(pairs: PairSet) -> None:
    places = np.array([5, 90_000])
    some = pairs.some(places)
    assert some.concept.tolist() == [0, 1] and not some.concepts.digest
    assert some.concepts.names["en"].tolist() == list(pairs.concepts.names["en"][places])
    np.testing.assert_array_equal(some.pictures[1], pairs.pictures[90_000])
    assert len({some.digest, pairs.digest, pairs.some(places[:1]).digest}) == 3


@pytest.fixture
def nothing_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caption_file, "IN_MEMORY", 0)
    monkeypatch.setattr(prepared_split, "DECODED_AT_MOST", 0)


def test_a_large_prepared_split_is_read_as_a_small_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    config = write_coco(tmp_path, train=6, val=1)
    small = load_pairs(config, "train", progress=False)
    request.getfixturevalue("nothing_is_small")
    for _ in range(2):  # as it is kept the second time
        large = load_pairs(config, "train", progress=False)
        table = large.concepts
        assert isinstance(table.names["en"], Texts)
        assert table.names["en"].tolist() == small.concepts.names["en"].tolist()
        assert table.keys.tolist() == small.concepts.keys.tolist()
        assert list(table.aliases) == list(small.concepts.aliases)
        assert sorted(large.captions()) == sorted(small.captions())


@pytest.mark.usefixtures("nothing_is_small")
def test_a_damaged_picture_that_is_met_in_training_is_white_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared_split, "_BLANK", prepared_split._Told())
    config = torn_set(tmp_path, 1, 4)
    pairs = load_pairs(config, "train", progress=False)
    assert len(pairs) == 6 and not pairs.damaged
    shown = pairs.pictures.batch(np.arange(6))
    assert sum((picture == 255).all() for picture in shown) == 2
    told = capsys.readouterr().err
    assert told.count("cannot be read, so a white one is shown") == 1  # the first, then the tenth
    refused = replace(config, damaged="refuse")
    with pytest.raises(Exception, match="cannot be read"):
        load_pairs(refused, "train", progress=False)


@pytest.mark.usefixtures("nothing_is_small")
def test_labels_of_a_large_split_are_kept(tmp_path: Path) -> None:
    rows = [example(i, label=i % 3) for i in range(6)]
    rows[2]["image"] = io.BytesIO(b"no picture")
    config = write_set("tiny_labels", tmp_path, features("tiny_labels"), {"train": rows})
    first, again = (load_pairs(config, "train", progress=False) for _ in range(2))
    np.testing.assert_array_equal(first.concept, again.concept)
    assert sorted(first.concept.tolist()) == [0, 0, 1, 1, 2, 2]
