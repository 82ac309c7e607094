"""Batches: everything from the seed, and the same again after a restart."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from limoe_core.config import Config, ConfigError
from limoe_core.data.batches import BatchSource, training_batches
from limoe_core.data.caption_table import CaptionTable
from limoe_core.data.pairs import ArrayPictures, ConceptTable, PairSet
from limoe_core.presets import preset
from limoe_core.tokenizer import Tokenizer

LENGTH = 16


def settings(**data: object) -> Config:
    config = preset("debug")
    return replace(config, data=replace(config.data, **data))


def test_a_step_is_as_promised(splits: dict[str, PairSet], tokenizer: Tokenizer) -> None:
    pairs = splits["train"]
    batch = next(training_batches(pairs, tokenizer, settings(batch_size=32)))
    assert batch["image"].shape == (32, 72, 72, 4)
    assert batch["image"].dtype == np.uint8
    assert batch["text"].shape == (32, 2, LENGTH)
    assert batch["text"].dtype == batch["concept"].dtype == np.int32
    assert (batch["text"][..., 0] > 0).all()  # a caption begins with a token, not with padding
    assert batch["labels"].shape == (32, 4)
    np.testing.assert_array_equal(batch["labels"][:, 0], batch["concept"])


def test_pictures_and_captions_belong_to_the_concept(
    splits: dict[str, PairSet], tokenizer: Tokenizer
) -> None:
    pairs = splits["train"]
    table = pairs.concepts
    batches = training_batches(pairs, tokenizer, settings(batch_size=16))
    for batch in (next(batches) for _ in range(3)):
        for row, concept in enumerate(batch["concept"].tolist()):
            own = np.flatnonzero(pairs.concept == concept)
            assert any(np.array_equal(batch["image"][row], pairs.pictures[int(i)]) for i in own)
            texts = [str(names[concept]) for names in table.names.values()]
            allowed = tokenizer.encode([*texts, *table.aliases[concept]], LENGTH)
            for caption in batch["text"][row]:
                assert (allowed == caption).all(axis=1).any()


def test_state_is_json_and_brings_back_the_same_batches(
    splits: dict[str, PairSet], tokenizer: Tokenizer
) -> None:
    pairs, config = splits["validation"], settings(batch_size=40)  # 4.7 batches to an epoch
    batches = training_batches(pairs, tokenizer, config)
    for _ in range(6):
        next(batches)
    state = json.loads(json.dumps(batches.get_state()))
    expected = [next(batches) for _ in range(7)]
    again = training_batches(pairs, tokenizer, config)
    again.set_state(state)
    for wanted in expected:
        found = next(again)
        for name, array in wanted.items():
            np.testing.assert_array_equal(found[name], array)


def test_a_new_reader_starts_at_the_beginning_and_seeds_differ(
    splits: dict[str, PairSet], tokenizer: Tokenizer
) -> None:
    pairs, config = splits["validation"], settings(batch_size=40)
    first, again = (next(training_batches(pairs, tokenizer, config)) for _ in range(2))
    np.testing.assert_array_equal(first["text"], again["text"])
    other = replace(config, train=replace(config.train, seed=1))
    changed = next(training_batches(pairs, tokenizer, other))
    assert not np.array_equal(first["concept"], changed["concept"])


def test_seeds_have_batches_of_one_shape(splits: dict[str, PairSet], tokenizer: Tokenizer) -> None:
    config = settings(batch_size=64)
    sources = [
        BatchSource(
            splits["train"], tokenizer, replace(config, train=replace(config.train, seed=seed))
        )
        for seed in range(4)
    ]
    assert len({source.windows for source in sources}) == 1


def test_an_epoch_shows_every_picture_once(
    splits: dict[str, PairSet], tokenizer: Tokenizer
) -> None:
    pairs = splits["validation"]
    source = BatchSource(pairs, tokenizer, settings(batch_size=len(pairs)))
    for epoch in range(2):
        shown = Counter(source[epoch]["concept"].tolist())
        assert shown == Counter(pairs.concept.tolist())


def test_a_batch_may_be_larger_than_the_number_of_classes(tokenizer: Tokenizer) -> None:
    pairs = few_classes(np.arange(9, dtype=np.int32) % 2)
    batch = next(training_batches(pairs, tokenizer, settings(batch_size=9, captions_per_image=1)))
    concept, picture, text = batch["labels"].T
    assert sorted(concept.tolist()) == [0] * 5 + [1] * 4
    np.testing.assert_array_equal(concept == 0, text == text[concept == 0][0])
    assert sorted(picture.tolist()) == list(range(9))


def test_copies_of_a_picture_have_a_label_in_common(tokenizer: Tokenizer) -> None:
    copy = np.array([0, 1, 2, 0], np.int32)
    pairs = replace(few_classes(np.array([0, 0, 1, 1], np.int32)), copy=copy)
    batch = next(training_batches(pairs, tokenizer, settings(batch_size=4)))
    assert sorted(batch["labels"][:, 1].tolist()) == [0, 0, 1, 2]


def test_a_batch_larger_than_the_pictures_is_refused_at_once(
    splits: dict[str, PairSet], tokenizer: Tokenizer
) -> None:
    pairs = splits["validation"]
    said = f"data.batch_size 256 is more than the {len(pairs)} pictures"
    with pytest.raises(ConfigError, match=said):
        training_batches(pairs, tokenizer, settings(batch_size=256))


def test_one_class_alone_is_refused(tokenizer: Tokenizer) -> None:
    pairs = few_classes(np.ones(4, np.int32))
    with pytest.raises(ConfigError, match="all 4 pictures .* are of one class, b,"):
        training_batches(pairs, tokenizer, settings(batch_size=2))


def few_classes(concept: np.ndarray) -> PairSet:
    """Pictures of the classes a, b, c and d, in English."""
    empty = np.array([""] * len(concept))
    names = np.array(list("abcd"))
    return PairSet(
        name="tiny:1.0.0",
        split="train",
        pictures=ArrayPictures(np.zeros((len(concept), 72, 72, 4), np.uint8)),
        concept=concept,
        style=empty,
        category=empty,
        concepts=ConceptTable(names, {"en": names}, [()] * 4, np.array([""] * 4)),
    )


@pytest.fixture(scope="module")
def two_languages(tokenizer: Tokenizer) -> CaptionTable:
    table = ConceptTable(
        keys=np.array(["A", "B"]),
        names={
            "en": np.array(["red apple", "dog"]),
            "de": np.array(["roter apfel", "hund"]),
            "ja": np.array(["赤リンゴ", "犬"]),
        },
        aliases=[("apple", "fruit", "malus"), ()],
        category=np.array(["", ""]),
    )
    return CaptionTable(table, tokenizer, LENGTH)


def drawn(
    table: CaptionTable, tokenizer: Tokenizer, concept: int, captions: int, share: float, rows: int
) -> list[list[str]]:
    ids = table.draw(np.full(rows, concept, np.int32), captions, share, np.random.default_rng(0))
    return [["".join(tokenizer.pieces(text)).strip("▁") for text in row] for row in ids]


def test_english_has_its_share_and_the_others_the_rest_evenly(
    two_languages: CaptionTable, tokenizer: Tokenizer
) -> None:
    rows = 8000
    counts = Counter(row[0] for row in drawn(two_languages, tokenizer, 0, 1, 0.4, rows))
    expected = {"roter▁apfel": 0.3, "赤リンゴ": 0.3}
    expected |= dict.fromkeys(("red▁apple", "apple", "fruit", "malus"), 0.1)
    assert set(counts) == set(expected)
    for text, share in expected.items():
        # Four standard deviations of a share of so many draws.
        tolerance = 4 * (share * (1 - share) / rows) ** 0.5
        assert counts[text] / rows == pytest.approx(share, abs=tolerance)


def test_captions_of_a_picture_are_in_different_languages(
    two_languages: CaptionTable, tokenizer: Tokenizer
) -> None:
    for row in drawn(two_languages, tokenizer, 1, 3, 0.5, 200):
        assert set(row) == {"dog", "hund", "犬"}


@pytest.mark.parametrize("share, texts", [(1.0, {"dog"}), (0.0, {"hund", "犬"})])
def test_shares_of_none_and_all(
    two_languages: CaptionTable, tokenizer: Tokenizer, share: float, texts: set[str]
) -> None:
    assert {
        text for row in drawn(two_languages, tokenizer, 1, 2, share, 50) for text in row
    } == texts


def test_one_language_needs_no_others(tokenizer: Tokenizer) -> None:
    """Sets other than emoji have English alone."""
    pairs = few_classes(np.arange(4, dtype=np.int32))
    batch = next(training_batches(pairs, tokenizer, settings(batch_size=4, english_share=0.2)))
    names = tokenizer.encode(["a", "b", "c", "d"], LENGTH)
    for row, concept in enumerate(batch["concept"].tolist()):
        assert (batch["text"][row] == names[concept]).all()


def test_five_captions_of_a_picture_are_all_different(tokenizer: Tokenizer) -> None:
    """A set with captions has one language and several captions in it."""
    texts = [f"{word} {number}" for number in range(5) for word in ("apple", "dog", "heart")]
    table = ConceptTable(
        keys=np.array(["a", "b", "c"]),
        names={"en": np.array(["one", texts[0], texts[7]])},
        aliases=[(), tuple(texts[1:5]), tuple(texts[8:15])],
        category=np.array([""] * 3),
    )
    captions = CaptionTable(table, tokenizer, LENGTH)
    lone = drawn(captions, tokenizer, 0, 5, 0.2, 3)
    assert lone == [["one"] * 5] * 3  # what there is, as often as asked
    rows = 4000
    found = drawn(captions, tokenizer, 1, 5, 0.2, rows)
    assert all(len(set(row)) == 5 for row in found)
    firsts = Counter(row[0] for row in found)
    assert len(firsts) == 5
    for count in firsts.values():
        assert count / rows == pytest.approx(1 / 5, abs=4 * (0.16 / rows) ** 0.5)
    pairs = Counter(tuple(sorted(row[:2])) for row in found)
    assert len(pairs) == 10  # every two captions come together
    assert all(len(set(row)) == 5 for row in drawn(captions, tokenizer, 2, 5, 0.2, 50))


def test_languages_that_come_again_bring_another_caption(
    two_languages: CaptionTable, tokenizer: Tokenizer
) -> None:
    for row in drawn(two_languages, tokenizer, 0, 6, 0.5, 100):
        assert {"roter▁apfel", "赤リンゴ"} < set(row)
        assert len(set(row)) == 4  # and two different ones in English
