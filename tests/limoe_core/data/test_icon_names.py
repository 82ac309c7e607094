"""Names of icons taken apart, their sets, and their categories."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limoe_core.data.icons.categories import category_of, most_common
from limoe_core.data.icons.names import Names
from limoe_core.data.icons.sets import Collection
from limoe_core.data.icons.splits import SPLITS, is_withheld, split_of

FLUENT = [
    f"{word}-{size}-{style}"
    for word in ("home", "traffic-light", "dice-2", *(f"thing{number:02}" for number in range(30)))
    for size in (16, 24)
    for style in ("filled", "regular")
]
MATERIAL = [f"{style}-{word}" for word in ("home", "light-mode") for style in ("baseline", "sharp")]
PLAIN = [
    *(f"thing{number:02}" for number in range(60)),
    "traffic-light",
    "home-2",
    "dice-2",
    "battery-50",
    "home-outline",
    "home-alt",
    "line-chart",
]


@pytest.mark.parametrize(
    "names, name, concept, caption, size",
    [
        (FLUENT, "home-24-filled", "home", "home filled", 24),
        (FLUENT, "traffic-light-16-regular", "traffic-light", "traffic light regular", 16),
        (FLUENT, "dice-2-24-filled", "dice-2", "dice 2 filled", 24),
        (MATERIAL, "sharp-light-mode", "light-mode", "light mode sharp", 0),
        (PLAIN, "traffic-light", "traffic-light", "", 0),
        (PLAIN, "home-2", "home", "", 0),
        (PLAIN, "home-alt", "home", "", 0),
        (PLAIN, "home-outline", "home", "home outline", 0),
        (PLAIN, "battery-50", "battery-50", "", 0),
        (PLAIN, "line-chart", "line-chart", "", 0),
    ],
)
def test_a_name_is_what_it_shows_and_how_it_is_drawn(
    names: list[str], name: str, concept: str, caption: str, size: int
) -> None:
    found = Names(names).parse(name)
    assert (found.key, found.caption, found.size) == (concept, caption, size)


@pytest.mark.parametrize("name", ["1", "x", "github-logo", "brand-github", "a-b-c-d-e-f-g-h"])
def test_names_that_say_too_little_or_too_much_are_left_out(name: str) -> None:
    assert not Names([*PLAIN, name]).parse(name).is_useful


@given(
    st.lists(st.from_regex(r"[a-z0-9]+(-[a-z0-9]+){0,4}", fullmatch=True), min_size=1, max_size=8)
)
def test_every_name_keeps_a_word(names: list[str]) -> None:
    parser = Names(names)
    for name in names:
        assert parser.parse(name).concept


def collection(prefix: str = "tabler", spdx: str = "MIT", **more: object) -> Collection:
    return Collection.of(prefix, {"name": "A set", "license": {"spdx": spdx}, **more})


@pytest.mark.parametrize(
    "each, why",
    [
        (collection(), ""),
        (collection(spdx="CC-BY-NC-4.0"), "licence"),
        (collection(spdx="GPL-3.0"), "licence"),
        (collection(spdx=""), "licence"),
        (collection(category="Logos"), "logos"),
        (collection("fa-brands", category="Archive / Unmaintained"), "logos"),
        (collection("codicon", category="Programming"), ""),
        (collection("noto", category="Emoji"), "emoji"),
        (collection("circle-flags", category="Flags / Maps"), "codes"),
        (collection(tags=["Contains Animations"]), "moving"),
    ],
)
def test_sets_are_left_out_for_a_reason(each: Collection, why: str) -> None:
    assert each.left_out == why


def test_a_set_is_attributed_even_where_little_is_said_of_it() -> None:
    sentence = collection().attribution("drawn at 72×72 pixels").sentence()
    assert "A set" in sentence
    assert "MIT (https://opensource.org/license/mit)" in sentence
    assert "https://icon-sets.iconify.design/tabler/" in sentence


@pytest.mark.parametrize(
    "prefixes",
    [("fa-solid", "fa6-regular", "fa7-solid"), ("ic", "mdi-light"), ("feather", "lucide")],
)
def test_sets_drawn_after_one_another_are_one_family(prefixes: tuple[str, ...]) -> None:
    assert len({collection(prefix).family for prefix in prefixes}) == 1


@pytest.mark.parametrize(
    "group, category",
    [
        ("FoodDrink", "Food & Drink"),
        ("Food & Beverages", "Food & Drink"),
        ("Arrows", "Arrows"),
        ("Users & People", "People"),
        ("24px", ""),
        ("Brand", ""),
    ],
)
def test_groups_of_sets_become_categories(group: str, category: str) -> None:
    assert category_of(group) == category


def test_most_groups_decide() -> None:
    assert most_common(["Food", "Weather", "FoodDrink", "Brand", "Brand"]) == "Food & Drink"
    assert most_common(["Brand"]) == most_common([]) == ""


@given(st.text(), st.text(), st.text())
def test_splits_hold_out_whole_sets_and_whole_concepts(one: str, other: str, family: str) -> None:
    """A concept unseen in one set is unseen in all, and so is a set with all concepts."""
    for concept in (one, other):
        split = split_of(concept, family)
        assert split is None or split in SPLITS
        assert is_withheld(family) == (split in (None, "test_set", "test_both"))
    here, there = (split_of(one, each) for each in (family, family + "x"))
    assert {here, there} <= {"train", "test_set"} or not {here, there} & {"train", "test_set"}
