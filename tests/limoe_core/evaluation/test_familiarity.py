"""How familiar names are, compared with a slow comparison of all with all."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from limoe_core.data.pairs import ArrayPictures, ConceptTable, PairSet
from limoe_core.evaluation.familiarity import (
    KINDS,
    KNOWN,
    NAMED,
    NEAR,
    NEW,
    familiarity,
    training_captions,
    words,
)

TRAINED = ("red apple", "woman surfing", "bell", "arrow left circle", "green book", "man’s shoe")


def kind(name: str) -> str:
    return str(familiarity([name], TRAINED)[0])


def test_names_that_training_read_in_other_words_are_named() -> None:
    assert {kind(name) for name in ("red apple", "Red Apples", "the bell", "apple, red")} == {NAMED}
    assert kind("shoe of a man") == NAMED


def test_one_word_from_a_name_is_near() -> None:
    assert {kind(name) for name in ("apple", "bell slash", "arrow right circle")} == {NEAR}


def test_words_of_training_may_be_put_together_anew() -> None:
    assert kind("woman book") == KNOWN
    assert kind("red surfing") == KNOWN  # one of two words is the same: no near name
    assert kind("blueberries") == kind("red giraffe shoe") == NEW


def test_a_name_of_little_words_alone_or_of_none_is_new() -> None:
    assert familiarity(["of the", "🙂"], TRAINED).tolist() == [NEW, NEW]


_NAMES = st.lists(
    st.lists(st.sampled_from("red blue apple book arrow left".split()), max_size=4).map(" ".join),
    max_size=6,
)


@given(names=_NAMES, trained=_NAMES)
def test_it_is_as_comparing_each_with_each(names: list[str], trained: list[str]) -> None:
    captions = [Counter(words(each)) for each in trained]

    def slow(name: str) -> str:
        own = Counter(words(name))
        if not own:
            return NAMED if own in captions else NEW
        found = [KINDS.index(KNOWN if own.keys() <= set().union(*captions) else NEW)]
        for other in captions:
            more, less = (own - other).total(), (other - own).total()
            same = (own & other).total()
            if not more and not less:
                found.append(KINDS.index(NAMED))
            elif ({more, less} == {0, 1} and same) or (more == less == 1 and same >= 2):
                found.append(KINDS.index(NEAR))
        return KINDS[min(found)]

    assert familiarity(names, trained).tolist() == [slow(name) for name in names]


def test_captions_of_training_are_names_aliases_and_those_of_one_picture() -> None:
    table = ConceptTable(
        keys=np.array(["a", "b", "c"]),
        names={"en": np.array(["apple", "pear", "plum"]), "de": np.array(["Apfel", "", ""])},
        aliases=[("fruit",), (), ()],
        category=np.array(["", "", ""]),
    )
    pairs = PairSet(
        name="x",
        split="train",
        pictures=ArrayPictures(np.zeros((2, 72, 72, 4), np.uint8)),
        concept=np.array([0, 2], np.int32),
        style=np.array(["", ""]),
        category=np.array(["", ""]),
        concepts=table,
        caption=np.array(["", "plum outline"]),
    )
    assert list(training_captions(pairs)) == ["apple", "fruit", "plum", "plum outline"]


def test_names_of_signs_little_words_and_marks_are_told_apart() -> None:
    captions = ["+", "at", "olive\u0301", "हिन्दी"]
    named = familiarity(["+", "at", "oliv\u00e9", "हिन्दी"], captions)
    assert named.tolist() == [NAMED] * 4
    new = familiarity(["\u2212", "to", "", "olive", "हन्दा"], captions)
    assert new.tolist() == [NEW] * 5
