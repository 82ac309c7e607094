"""Two data sets as one, and concepts that lack a name in some language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limoe_core.config import Config, ConfigError, DataConfig
from limoe_core.data.attribution import Attribution
from limoe_core.data.batches import BatchSource
from limoe_core.data.caption_table import CaptionTable
from limoe_core.data.dataset import DataSet
from limoe_core.data.joint import JointSet, merge
from limoe_core.data.pairs import SIDE, ArrayPictures, ConceptTable, PairSet
from limoe_core.data.registry import DATA_SETS
from limoe_core.evaluation.embedding import embed_names
from limoe_core.tokenizer import Tokenizer


def table(names: Mapping[str, str], german: Mapping[str, str] | None = None) -> ConceptTable:
    """Concepts by key, in English and perhaps German."""
    keys = sorted(names)
    spoken = {"en": np.array([names[key] for key in keys])}
    if german is not None:
        spoken["de"] = np.array([german.get(key, "") for key in keys])
    return ConceptTable(
        np.array(keys), spoken, [(f"the {names[key]}",) for key in keys], np.array([""] * len(keys))
    )


FIRST = table(
    {"A1": "rocket", "A2": "red apple", "A3": "dog"}, {"A1": "Rakete", "A2": "Apfel", "A3": "Hund"}
)
SECOND = table({"dog": "dog", "home": "home", "red-apple": "Red-Apple", "zebra": "zebra"})


class MadeUp(DataSet):
    """Splits by name, each with the concepts that its pictures show; a picture is its number."""

    can_build = True

    def __init__(
        self, name: str, concepts: ConceptTable, splits: Mapping[str, list[str]], shade: int
    ) -> None:
        self.name, self.concepts, self.splits, self.shade = name, concepts, splits, shade
        self.tasks = {split: ("all",) for split in splits if split != "train"}
        self.unseen = tuple(self.tasks)
        self.languages = tuple(concepts.names)
        self.built = False

    def resolve(self, config: DataConfig) -> str:
        return config.config if config.config != "auto" else "small"

    def is_ready(self, config: DataConfig) -> bool:
        assert config.name == self.name
        return self.built

    def build(self, config: DataConfig, *, progress: bool = True) -> None:
        self.built = True

    def load(
        self, config: DataConfig, split: str, *, side: int = SIDE, progress: bool = True
    ) -> PairSet:
        assert config.name == self.name
        keys = self.concepts.keys.tolist()
        concept = np.array([keys.index(key) for key in self.splits[split]], np.int32)
        pixels = np.full((len(concept), SIDE, SIDE, 4), self.shade, np.uint8)
        pixels[:, 0, 0, 0] = np.arange(len(concept))
        own = np.array([f"{key} outline" for key in self.splits[split]])
        return PairSet(
            name=f"{self.name}/{self.resolve(config)}:1.0.0",
            split=split,
            pictures=ArrayPictures(pixels),
            concept=concept,
            style=np.full(len(concept), self.name),
            category=np.full(len(concept), ""),
            concepts=self.concepts,
            caption=own if self.name == "second" else None,
            attributions=(Attribution(self.name, "T", "A", "L", "u", "v"),),
        )


@pytest.fixture
def joint() -> JointSet:
    first = MadeUp(
        "first", FIRST, {"train": ["A1", "A2"], "validation": ["A3"], "test_style": ["A1", "A2"]}, 1
    )
    second = MadeUp(
        "second",
        SECOND,
        {"train": ["dog", "home", "home", "zebra"], "validation": ["red-apple"]},
        2,
    )
    return JointSet(first, second, withheld=("validation",))


CONFIG = DataConfig(name="first+second")


def named(pairs: PairSet) -> list[str]:
    return pairs.concepts.names["en"][pairs.concept].tolist()


def test_concepts_of_one_name_are_one(joint: JointSet) -> None:
    pairs = joint.load(CONFIG, "train")
    concepts = pairs.concepts
    assert concepts.keys.tolist() == ["A1", "A2", "A3", "home", "zebra"]
    assert concepts.names["en"].tolist() == ["rocket", "red apple", "dog", "home", "zebra"]
    assert concepts.names["de"].tolist() == ["Rakete", "Apfel", "Hund", "", ""]
    assert concepts.aliases[1] == ("the red apple", "the Red-Apple")


def test_training_sees_nothing_that_either_set_withholds(joint: JointSet) -> None:
    """The dog is kept back by one set and trained on in the other; so is the apple, vice versa."""
    assert named(joint.load(CONFIG, "train")) == ["rocket", "home", "home", "zebra"]
    assert named(joint.load(CONFIG, "validation")) == ["dog", "red apple"]
    test = joint.load(CONFIG, "first_test_style")
    assert named(test) == ["rocket"]
    assert test.concepts.names["en"].tolist() == ["rocket", "red apple", "dog"]  # its own alone


def test_pictures_captions_and_licences_stay_with_their_pairs(joint: JointSet) -> None:
    pairs = joint.load(CONFIG, "train")
    batch = pairs.pictures.batch([3, 0, 1])
    assert batch[:, 5, 5, 0].tolist() == [2, 1, 2]
    assert batch[:, 0, 0, 0].tolist() == [3, 0, 1]
    assert pairs.pictures[2][0, 0, 0] == 2
    assert pairs.caption is not None
    assert pairs.caption.tolist() == ["", "home outline", "home outline", "zebra outline"]
    assert pairs.style.tolist() == ["first", "second", "second", "second"]
    assert [one.style for one in pairs.attributions] == ["first", "second"]
    assert pairs.name == "first+second/small:1.0.0-1.0.0"


def test_the_joint_set_is_built_part_by_part_and_lists_its_splits(joint: JointSet) -> None:
    assert not joint.is_ready(CONFIG)
    assert "second" in joint.missing(CONFIG)
    joint.build(CONFIG)
    assert joint.is_ready(CONFIG)
    assert list(joint.tasks) == ["first_test_style", "validation", "validation_style"]
    assert joint.languages == ("en", "de")
    with pytest.raises(ConfigError, match="no split 'test_style'; there are .*first_test_style"):
        joint.load(CONFIG, "test_style")


def test_contents_make_the_digest(joint: JointSet) -> None:
    train = joint.load(CONFIG, "train")
    assert train.digest == joint.load(CONFIG, "train").digest
    assert train.digest != joint.load(CONFIG, "validation").digest
    assert train.digest != replace(train, caption=None).digest


def test_the_built_in_joint_set_has_the_tests_of_both() -> None:
    both = DATA_SETS["emoji+icons"]
    assert {"emoji_test_style", "emoji_test_concept", "icons_test_set", "icons_test_both"} <= set(
        both.tasks
    )
    assert len(both.languages) == 14


@given(
    st.dictionaries(st.text("ab", min_size=1), st.text("xyz", min_size=1), min_size=1),
    st.dictionaries(st.text("cd", min_size=1), st.text("xyz", min_size=1), min_size=1),
)
def test_merging_keeps_every_name(one: dict[str, str], other: dict[str, str]) -> None:
    first, second = table(one, {}), table(other)
    both, at_first, at_second = merge(first, second)
    assert both.keys.tolist() == sorted(both.keys.tolist())
    assert both.names["en"][at_first].tolist() == first.names["en"].tolist()
    assert both.names["en"][at_second].tolist() == second.names["en"].tolist()
    assert len(set(at_first.tolist())) == len(first)
    assert len(both) == len({*at_first.tolist(), *at_second.tolist()})


def test_a_concept_without_a_name_in_a_language_is_captioned_in_others(joint: JointSet) -> None:
    tokenizer = Tokenizer.train(joint.load(CONFIG, "train").captions(), 280)
    concepts = merge(FIRST, SECOND)[0]
    own = np.array(["home outline", ""])

    def encoded(some: list[str]) -> np.ndarray:
        return tokenizer.encode(some, 16)

    captions = CaptionTable(concepts, tokenizer, 16, own)
    home, dog = concepts.keys.tolist().index("home"), concepts.keys.tolist().index("A3")
    rows = 400
    ids = captions.draw(
        np.array([home, dog] * rows, np.int32),
        2,
        0.2,
        np.random.default_rng(0),
        np.array([0, 1] * rows, np.int32),
    )
    expected = ["home", "the home", "home outline", "dog", "the dog", "Hund"]
    known = {row.tobytes(): text for row, text in zip(encoded(expected), expected, strict=True)}
    texts = [{known[text.tobytes()] for text in row} for row in ids]
    assert all(len(row) == 2 for row in texts)
    assert set().union(*texts[::2]) == {"home", "the home", "home outline"}
    assert all("Hund" in row for row in texts[1::2])


def test_a_split_is_asked_in_the_languages_that_it_has(joint: JointSet) -> None:
    assert joint.load(CONFIG, "first_test_style").languages == ("en", "de")
    assert joint.load(CONFIG, "train").languages == ("en",)
    train = joint.load(CONFIG, "train")
    assert "" not in train.captions()
    assert {"Rakete", "home outline", "the home"} <= set(train.captions())
    assert train.concepts.names_in("de").tolist() == ["Rakete", "Apfel", "Hund", "home", "zebra"]
    assert train.concepts.languages_of(3) == ["en"]


class Reader:
    """An encoder that remembers what it read."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def encode_images(self, images: object) -> np.ndarray:
        raise NotImplementedError

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        self.read += texts
        return np.array([[len(text), ord(text[0])] for text in texts], np.float32)


def test_names_that_are_missing_are_embedded_once(joint: JointSet) -> None:
    reader = Reader()
    found = embed_names(reader, joint.load(CONFIG, "train").concepts)
    assert len(reader.read) == 5 + 3
    np.testing.assert_array_equal(found["de"][3:], found["en"][3:])
    assert found["de"][0].tolist() == [6, ord("R")]


def test_styles_to_choose_settings_by_are_left_out_of_training(
    joint: JointSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each set's own drawings of what it keeps back, and none of a concept that is withheld."""
    joint.parts[1].splits["train"] = ["dog", "home", "zebra", "home"]
    monkeypatch.setattr(
        "limoe_core.data.joint.kept_back",
        lambda part, pairs: np.arange(len(pairs)) < (2 if part.name == "second" else 0),
    )
    assert named(joint.load(CONFIG, "validation_style")) == ["home"]
    assert named(joint.load(CONFIG, "train")) == ["rocket", "zebra", "home"]


def test_a_batch_has_its_share_of_the_first_set(joint: JointSet) -> None:
    pairs = joint.load(CONFIG, "train")
    assert pairs.part is not None
    assert pairs.part.tolist() == [0, 1, 1, 1]
    assert pairs.some(np.array([3, 0])).part.tolist() == [1, 0]
    tokenizer = Tokenizer.train(pairs.captions(), 280)

    def source(share: float, found: PairSet = pairs) -> BatchSource:
        data = replace(CONFIG, batch_size=3, captions_per_image=1, first_share=share)
        return BatchSource(found, tokenizer, Config(data=data))

    for position in range(10):
        concepts = source(1 / 3)[position]["concept"].tolist()
        assert concepts.count(0) == 1
    with pytest.raises(ConfigError, match="asks for 2 pictures of a set that has 1 in every batch"):
        source(0.6)
    with pytest.raises(ConfigError, match="is one; leave it out"):
        source(0.5, replace(pairs, part=None))


def test_a_test_split_knows_the_set_that_it_comes_from(joint: JointSet) -> None:
    """What that set has in training has the test's concepts, as baselines need it."""
    part, training = joint.part("first_test_style")
    assert part is joint.parts[0]
    labelled, test = joint.load(CONFIG, training), joint.load(CONFIG, "first_test_style")
    assert named(labelled) == ["rocket"]  # the apple is withheld by the other set
    assert labelled.concepts.keys.tolist() == test.concepts.keys.tolist()
    assert joint.part("validation") == (joint, "train")
    assert "first_train" not in joint.tasks
    assert "first_train" not in joint.unseen
    alone = DATA_SETS["emoji"]
    assert alone.part("test_style") == (alone, "train")
