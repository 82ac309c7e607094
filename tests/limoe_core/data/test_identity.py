"""What a run knows of its data: by content, and whatever its config.json says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limoe_core.config import DataConfig
from limoe_core.data.identity import Recorded, data_of, difference
from limoe_core.data.pairs import ArrayPictures, ConceptTable, PairSet
from limoe_core.presets import preset
from limoe_core.runs import Run

WORDS = st.text(max_size=4)


@st.composite
def pair_sets(draw: st.DrawFn) -> PairSet:
    count, concepts = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    pixels = np.zeros((count, 72, 72, 4), np.uint8)
    pixels[:, 30, 40, 2] = list(draw(st.binary(min_size=count, max_size=count)))

    def texts(size: int) -> np.ndarray:
        return np.array(draw(st.lists(WORDS, min_size=size, max_size=size)), dtype=object)

    return PairSet(
        name="a-set/1.0.0",
        split="train",
        pictures=ArrayPictures(pixels),
        concept=np.array(
            draw(st.lists(st.integers(0, concepts - 1), min_size=count, max_size=count)), np.int32
        ),
        style=texts(count),
        category=texts(count),
        concepts=ConceptTable(
            keys=texts(concepts),
            names={"en": texts(concepts), "de": texts(concepts)},
            aliases=[tuple(texts(draw(st.integers(0, 2)))) for _ in range(concepts)],
            category=texts(concepts),
        ),
    )


def content(pairs: PairSet) -> Any:
    """Everything that a digest is to tell apart."""
    table = pairs.concepts
    return (
        [pairs.pictures[i][30, 40, 2] for i in range(len(pairs))],
        [each.tolist() for each in (pairs.concept, pairs.style, pairs.category)],
        [table.keys.tolist(), table.category.tolist(), table.aliases],
        {language: names.tolist() for language, names in table.names.items()},
    )


@settings(max_examples=20)
@given(pair_sets(), pair_sets())
def test_digests_are_equal_where_content_is(one: PairSet, two: PairSet) -> None:
    assert (one.digest == two.digest) == (content(one) == content(two))
    assert replace(one, name="another/2.0.0", split="test").digest == one.digest


@settings(max_examples=20)
@given(pair_sets(), st.data())
def test_a_digest_depends_on_each_text(pairs: PairSet, data: st.DataObject) -> None:
    table = pairs.concepts
    names = table.names["de"].copy()
    names[data.draw(st.integers(0, len(names) - 1))] += "x"
    changed = replace(table, names={**table.names, "de": names})
    assert replace(pairs, concepts=changed).digest != pairs.digest


#: Anything that JSON can hold.
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(JSON, st.sampled_from(["train", "validation"]))
def test_whatever_a_run_says_of_its_data_can_be_read(said: Any, split: str) -> None:
    run = Run(Path("run"), preset("debug"), {"data": said})
    str(Recorded.of(run, split))
    assert data_of(run) == run.config.data


@given(JSON)
def test_a_digest_of_another_kind_is_no_digest(said: Any) -> None:
    run = Run(Path("run"), preset("debug"), {"data": {"splits": {"train": {"digest": said}}}})
    found = Recorded.of(run, "train").digest
    assert found is None or found == said


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("emoji/full:1.0.0", "full"),
        ("emoji/full/1.0.0", "full"),
        ("emoji/1.0.0", "auto"),
        ("emoji:1.0.0", "auto"),
        ("coco/2014/1.0.0", "auto"),  # of another set
        ("emoji/../../etc:1", "auto"),
        ("emoji/.hidden:1", "auto"),
        (None, "auto"),
    ],
)
def test_auto_is_what_it_stood_for_when_the_run_was_trained(name: Any, config: str) -> None:
    config_of_run = replace(preset("debug"), data=DataConfig())
    assert data_of(Run(Path("run"), config_of_run, {"data": {"name": name}})).config == config


@settings(max_examples=20)
@given(pair_sets(), pair_sets())
def test_a_difference_names_both(one: PairSet, two: PairSet) -> None:
    config = DataConfig(dir="/here")
    about = {"pictures": len(one), "digest": one.digest}
    known = {"name": one.name, "directory": "/there", "splits": {"train": about}}
    run = Run(Path("a-run"), preset("debug"), {"data": known})
    found = difference(run, config, "train", two)
    assert (found is None) == (one.digest == two.digest)
    for words in ("a-run", "in /there", "in /here", one.digest[:8], two.digest[:8]):
        assert found is None or words in found
