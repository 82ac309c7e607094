"""Drawings of Iconify packages: which concept each is of, and how it looks."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import resvg_py
from PIL import Image

from limoe_core.data.emoji.concepts import Concept
from limoe_core.data.emoji.matching import by_character, compact, match, name_index
from limoe_core.data.iconify import IconSet

from .icon_packages import HALF, RED, write_package


def concept(
    key: str, name: str, aliases: Iterable[str] = (), unicode: Iterable[str] = ()
) -> Concept:
    return Concept(key, "Objects", {"en": name}, tuple(aliases), tuple(unicode))


def icon_set(
    slugs: Iterable[str],
    aliases: dict[str, Any] | None = None,
    characters: dict[str, str] | None = None,
) -> IconSet:
    icons = {slug: {"body": RED} for slug in slugs}
    return IconSet(icons, aliases or {}, 16, 16, characters or {})


def drawn(icons: IconSet, slug: str) -> np.ndarray:
    png = resvg_py.svg_to_bytes(svg_string=icons.svg(slug), width=16, height=16)
    return np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGBA"))


def test_compact_names_ignore_how_words_are_joined() -> None:
    assert compact("T-Rex") == compact("t rex") == compact("trex") == "trex"
    assert compact("São Tomé & Príncipe") == "saotomeandprincipe"


def test_code_points_go_before_names() -> None:
    concepts = [concept("A", "apple"), concept("B", "ball")]
    icons = icon_set(["apple", "thing"], characters={"A": "thing"})
    assert match(icons, concepts, name_index(concepts))["A"] == "thing"


def test_an_official_name_goes_before_an_alias_of_another_concept() -> None:
    concepts = [concept("A", "pool", aliases=["billiards"]), concept("B", "billiards")]
    assert name_index(concepts)["billiards"] == "B"


def test_a_name_of_two_concepts_means_neither() -> None:
    concepts = [concept("A", "one", aliases=["same"]), concept("B", "two", aliases=["same"])]
    index = name_index(concepts)
    assert "same" not in index
    assert match(icon_set(["same"]), concepts, index) == {}


def test_slugs_that_a_known_set_gives_to_code_points_help_the_others() -> None:
    concepts = [concept("1F3AF", "bullseye")]
    known = icon_set(["direct-hit"], characters={"1F3AF": "direct-hit"})
    index = name_index(concepts, known=[known])
    assert match(icon_set(["direct-hit"]), concepts, index) == {"1F3AF": "direct-hit"}


def test_names_of_the_unicode_standard_come_last() -> None:
    concepts = [concept("A", "link", unicode=["LINK SYMBOL"]), concept("B", "link symbol")]
    assert name_index(concepts)["linksymbol"] == "B"


def test_misleading_slugs_are_left_out_and_a_better_one_is_taken() -> None:
    concepts = [concept("A", "waving hand", aliases=["wave"])]
    index = name_index(concepts)
    assert match(icon_set(["wave"]), concepts, index, {"wave"}) == {}
    both = icon_set(["wave", "waving-hand"])
    assert match(both, concepts, index, {"wave"}) == {"A": "waving-hand"}


def test_no_drawing_stands_for_two_concepts() -> None:
    concepts = [concept("A", "bear"), concept("B", "bear face")]
    icons = icon_set(["bear-face"], aliases={"bear": {"parent": "bear-face"}})
    assert len(match(icons, concepts, name_index(concepts))) == 1


def test_a_mirrored_alias_is_a_drawing_of_its_own() -> None:
    concepts = [concept("A", "pointing left"), concept("B", "pointing right")]
    aliases = {"pointing-right": {"parent": "pointing-left", "hFlip": True}}
    icons = IconSet({"pointing-left": {"body": HALF}}, aliases, 16, 16, {})
    assert set(match(icons, concepts, name_index(concepts))) == {"A", "B"}
    left, right = drawn(icons, "pointing-left"), drawn(icons, "pointing-right")
    assert left[:, :8, 3].min() == 255
    assert left[:, 8:, 3].max() == 0
    np.testing.assert_array_equal(right, left[:, ::-1])


@pytest.mark.parametrize("rotate, turns", [(1, -1), (2, 2), (3, 1)])
def test_rotation_counts_quarter_turns_clockwise(rotate: int, turns: int) -> None:
    icons = IconSet(
        {"half": {"body": HALF}}, {"turned": {"parent": "half", "rotate": rotate}}, 16, 16, {}
    )
    np.testing.assert_array_equal(drawn(icons, "turned"), np.rot90(drawn(icons, "half"), turns))


def test_a_drawing_that_is_not_square_is_centred() -> None:
    icons = IconSet({"wide": {"body": RED, "width": 16, "height": 8}}, {}, 16, 16, {})
    alpha = drawn(icons, "wide")[..., 3]
    # The body is 16 high, of which the view box of 16×8 shows rows -4 to 12.
    assert alpha[:4].max() == 0
    assert alpha[4:].min() == 255


def test_a_package_is_read_from_its_tarball(tmp_path: Path) -> None:
    path = tmp_path / "set.tgz"
    write_package(
        path,
        {"heart": {"body": RED}},
        {"2764-fe0f": "heart"},
        width=32,
        aliases={"love": {"parent": "heart"}},
    )
    icons = IconSet.read(path)
    assert icons.slugs() == ["heart", "love"]
    assert by_character(icons) == {"2764": "heart"}
    assert (icons.width, icons.height) == (32, 16)
