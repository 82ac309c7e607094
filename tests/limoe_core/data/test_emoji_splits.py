"""Splits depend on the code points alone, and keep training apart from every test."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limoe_core.data.emoji.art import FULL_STYLES
from limoe_core.data.emoji.concepts import bare, read_concepts
from limoe_core.data.emoji.splits import (
    FAMILY,
    HELD_OUT_FAMILIES,
    held_out_family,
    split_of,
    uniform,
)

KEYS = st.lists(st.integers(0x23, 0x1FFFF), min_size=1, max_size=5).map(
    lambda points: "-".join(f"{point:04X}" for point in points)
)


@pytest.fixture(scope="module")
def keys() -> list[str]:
    return [concept.key for concept in read_concepts()]


def test_the_hash_is_blake2b_of_the_bare_key() -> None:
    digest = hashlib.blake2b(b"concept:2764", digest_size=8).hexdigest()
    assert uniform("2764-FE0F", "concept") == int(digest, 16) / 16**16


def test_known_drawings_stay_in_their_split() -> None:
    """Published results are of this choice, so it must not move without a new version."""
    known = ("1F34E", "2764-FE0F", "1F600", "1F1E9-1F1EA", "1F680", "1F42A")
    assert {key: split_of(key, "twemoji") for key in known} == KNOWN


@given(KEYS, st.sampled_from(FULL_STYLES))
def test_fe0f_does_not_matter(key: str, style: str) -> None:
    assert split_of(key, style) == split_of(f"{key}-FE0F", style) == split_of(bare(key), style)


@given(KEYS)
def test_unseen_concepts_are_unseen_in_every_style_and_siblings_stay_together(key: str) -> None:
    splits = {style: split_of(key, style) for style in FULL_STYLES}
    if {"validation", "test_concept"} & set(splits.values()):
        assert len(set(splits.values())) == 1
    held = held_out_family(key)
    for style, split in splits.items():
        if split == "test_style":
            assert FAMILY[style] == held
        if split == "train":
            assert FAMILY[style] != held


def test_shares_are_as_announced(keys: list[str]) -> None:
    places = [split_of(key, "fxemoji") for key in keys]  # a style that is never kept back
    share = {split: places.count(split) / len(keys) for split in set(places)}
    assert share["validation"] == pytest.approx(0.05, abs=0.01)
    assert share["test_concept"] == pytest.approx(0.10, abs=0.015)
    assert "test_style" not in share
    trained = [key for key, place in zip(keys, places, strict=True) if place == "train"]
    families = [held_out_family(key) for key in trained]
    kept_back = [family for family in families if family is not None]
    assert len(kept_back) / len(trained) == pytest.approx(0.10, abs=0.015)
    for family in HELD_OUT_FAMILIES:
        assert kept_back.count(family) / len(kept_back) == pytest.approx(0.25, abs=0.08)


def test_every_style_has_a_family() -> None:
    assert set(FAMILY) == set(FULL_STYLES)


KNOWN = {
    "1F34E": "train",
    "2764-FE0F": "train",
    "1F600": "train",
    "1F1E9-1F1EA": "train",
    "1F680": "train",
    "1F42A": "train",
}
