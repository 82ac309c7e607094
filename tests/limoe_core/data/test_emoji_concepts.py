"""Names, aliases and categories of the emoji set."""

from __future__ import annotations

import re
from collections import Counter

import emoji
import pytest

from limoe_core.data.emoji.concepts import (
    LANGUAGES,
    Concept,
    bare,
    code_points,
    folded,
    module_folder,
    read_concepts,
    tidy,
)


@pytest.fixture(scope="module")
def concepts() -> list[Concept]:
    return read_concepts()


def test_code_points_and_their_bare_form() -> None:
    assert code_points("❤️") == "2764-FE0F"
    assert bare("2764-FE0F") == "2764"
    assert bare("0023-FE0F-20E3") == "0023-20E3"


@pytest.mark.parametrize(
    "raw, name",
    [
        (":red_apple:", "red apple"),
        (":keycap_#:", "keycap #"),
        (":リンゴ:", "リンゴ"),
        (":سیب_سرخ:", "سیب سرخ"),
        (":Côte_d’Ivoire:", "Côte d’Ivoire"),
        (":T-Rex:", "T-Rex"),
    ],
)
def test_names_lose_colons_and_underscores_only(raw: str, name: str) -> None:
    assert tidy(raw) == name


def test_every_concept_is_named_in_all_fourteen_languages(concepts: list[Concept]) -> None:
    assert len(LANGUAGES) == 14
    assert len(concepts) > 1900
    for concept in concepts:
        assert set(concept.names) == set(LANGUAGES)
        assert all(name.strip() and ":" != name[0] != "_" for name in concept.names.values())


def test_concepts_are_those_that_a_plain_search_of_the_table_finds(concepts: list[Concept]) -> None:
    tones = "🏻🏼🏽🏾🏿"
    wanted = set()
    for text, entry in emoji.EMOJI_DATA.items():
        if entry["status"] == 2 and not set(text) & set(tones) and "en" in entry and "fa" in entry:
            wanted.add(code_points(text))
    found = {concept.key for concept in concepts}
    assert found <= wanted
    assert len(wanted - found) < 10  # those without a name in one of the other languages
    assert len({bare(key) for key in found}) == len(found)


def test_keys_are_sorted_and_known_ones_are_right(concepts: list[Concept]) -> None:
    assert [concept.key for concept in concepts] == sorted(concept.key for concept in concepts)
    apple = next(concept for concept in concepts if concept.key == "1F34E")
    assert apple.names["en"] == "red apple"
    assert apple.names["de"] == "roter apfel"
    assert apple.names["ja"] == "赤リンゴ"
    assert apple.aliases == ("apple",)
    assert apple.category == "Food & Drink"


def test_an_alias_means_one_concept_alone(concepts: list[Concept]) -> None:
    names = {folded(concept.names["en"]) for concept in concepts}
    aliases = [folded(alias) for concept in concepts for alias in concept.aliases]
    assert len(aliases) > 800
    assert not names & set(aliases)
    assert max(Counter(aliases).values()) == 1


def test_flags_have_no_country_codes_for_captions(concepts: list[Concept]) -> None:
    flags = [concept for concept in concepts if concept.category == "Flags"]
    assert len(flags) > 250
    codes = [a for c in flags for a in c.aliases if re.fullmatch(r"(flag )?[A-Za-z]{2}", a)]
    assert codes == []


def test_every_concept_has_a_category(concepts: list[Concept]) -> None:
    counts = Counter(concept.category for concept in concepts)
    assert set(counts) == {
        "Activities",
        "Animals & Nature",
        "Flags",
        "Food & Drink",
        "Objects",
        "People & Body",
        "Smileys & Emotion",
        "Symbols",
        "Travel & Places",
    }


def test_a_missing_package_is_named() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_package_here"):
        module_folder("no_such_package_here")
