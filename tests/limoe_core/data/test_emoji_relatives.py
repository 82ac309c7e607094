"""Base concepts: what is a variant of what, and that no variant is on another side."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limoe_core.data.emoji import relatives
from limoe_core.data.emoji.concepts import bare, code_points, read_concepts
from limoe_core.data.emoji.relatives import base_concept, is_plain
from limoe_core.data.emoji.splits import held_out_family, split_of


@pytest.fixture(scope="module")
def names() -> dict[str, str]:
    """English names by bare key."""
    return {bare(concept.key): concept.names["en"] for concept in read_concepts()}


@pytest.mark.parametrize(
    "group",
    [
        "🏃 🏃‍♀️ 🏃‍♂️ 🏃‍➡️ 🏃‍♀️‍➡️ 🏃🏽‍♀️‍➡️ 🏃🏿",
        "🧑‍🌾 👨‍🌾 👩‍🌾 👩🏻‍🌾",
        "👪 👨‍👩‍👦 👩‍👧‍👧 🧑‍🧑‍🧒‍🧒 👨‍👦",
        "💑 👩‍❤️‍👨 👨‍❤️‍👨 👩🏻‍❤️‍👩🏿",
        "💏 👩‍❤️‍💋‍👨",
        "🧑‍🤝‍🧑 👫 👬 👭 👩🏼‍🤝‍👨🏿",
        "🎅 🤶 🧑‍🎄",
        "🧑 👨 👩 👱 👱‍♀️",
        "👉 👈 👆 👇",
        "🙂 🙂‍↔️ 🙂‍↕️",
        "🇪🇸 🇪🇦",
        "🇷🇴 🇹🇩",
        "🇫🇷 🇨🇵 🇲🇫",
    ],
)
def test_variants_share_the_concept_that_is_written_first(group: str) -> None:
    keys = [code_points(text) for text in group.split()]
    assert {base_concept(key) for key in keys} == {bare(keys[0])}


def test_other_concepts_are_their_own_base(names: dict[str, str]) -> None:
    for text in ("🍎", "🐻‍❄️", "🏴‍☠️", "🇩🇪", "♀️", "➡️", "0️⃣", "👁️‍🗨️", "❤️‍🔥"):
        key = code_points(text)
        assert base_concept(key) == bare(key) and is_plain(key), text
    bases = {base_concept(key) for key in names}
    assert bases <= names.keys()  # a base is an emoji itself
    assert 1550 < len(bases) < 1650


def test_the_tables_are_of_emoji_that_are_there_and_in_one_group_each(
    names: dict[str, str],
) -> None:
    groups = [[code_points(each) for each in group.split()] for group in relatives._VARIANTS]
    groups += [[relatives._flag(each) for each in group.split()] for group in relatives._FLAGS]
    listed = [bare(key) for key in itertools.chain(*groups)]
    assert len(set(listed)) == len(listed)
    for key in listed:
        assert key in names or key == relatives._reduced(key), key


@pytest.mark.parametrize(
    ("words", "others"),
    [
        (("woman ", "man "), ("person ", "")),
        ((" facing right",), ("",)),
        (("women ", "men "), ("people ", "")),
        (("oncoming ",), ("",)),
    ],
)
def test_names_that_differ_in_person_or_direction_alone_have_one_base(
    names: dict[str, str], words: tuple[str, ...], others: tuple[str, ...]
) -> None:
    """As a check from another side: the rules look at characters, and this at names."""
    by_name = {name: key for key, name in names.items()}
    found = 0
    for name, key in by_name.items():
        for word, other in itertools.product(words, others):
            if word in name and (sibling := by_name.get(name.replace(word, other))):
                assert base_concept(key) == base_concept(sibling), name
                found += 1
    assert found > 0


KEYS = st.sampled_from(sorted(concept.key for concept in read_concepts()))


@given(KEYS)
def test_the_base_of_a_base_is_itself(key: str) -> None:
    base = base_concept(key)
    assert base_concept(base) == base == base_concept(f"{key}-FE0F")


@given(KEYS, st.sampled_from(["openmoji", "noto", "fxemoji"]))
def test_a_variant_is_in_the_split_of_its_base(key: str, style: str) -> None:
    assert split_of(key, style) == split_of(base_concept(key), style)
    assert held_out_family(key) == held_out_family(base_concept(key))
