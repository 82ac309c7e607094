"""Drawings of known concepts in styles that training does not show them in."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from limoe_core.data.emoji import EMOJI
from limoe_core.data.icons import ICONS
from limoe_core.data.kept_back import kept_back
from limoe_core.data.pairs import PairSet


def test_a_few_base_concepts_are_kept_back_in_one_family_and_known_in_another(
    splits: dict[str, PairSet],
) -> None:
    train = splits["train"]
    back = kept_back(EMOJI, train)
    assert 0.02 < back.mean() < 0.05  # in one of the two styles of the config `base`
    families = defaultdict(set)
    known = set(train.concept[~back].tolist())
    for concept, style in zip(train.concept[back], train.style[back], strict=True):
        families[EMOJI.base_concept(train.concepts.keys[concept])].add(EMOJI.style_family(style))
        assert concept in known
    assert {len(of_base) for of_base in families.values()} == {1}
    assert len(set().union(*families.values())) == 2
    of_base = np.array([EMOJI.base_concept(key) in families for key in train.concepts.keys])
    family = np.array([EMOJI.style_family(style) for style in train.style])
    for concept, style in zip(train.concept[~back], family[~back], strict=True):
        if of_base[concept]:
            assert style not in families[EMOJI.base_concept(train.concepts.keys[concept])]


def test_it_depends_on_concepts_and_styles_alone(splits: dict[str, PairSet]) -> None:
    train = splits["train"]
    order = np.random.default_rng(0).permutation(len(train))
    np.testing.assert_array_equal(
        kept_back(EMOJI, train.some(order)), kept_back(EMOJI, train)[order]
    )


def test_sets_of_one_hand_are_one_family() -> None:
    assert ICONS.style_family("fa6-regular") == ICONS.style_family("fa-solid")
    assert ICONS.style_family("lucide") != ICONS.style_family("mdi")
    assert ICONS.base_concept("home") == "home"
