"""The modality gap against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import analysis
from analysis.errors import AnalysisError
from analysis.gap import DISTANCE, NEIGHBOURS


def two_clouds(apart: float, pairs: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(pairs, 6))
    both = shared + 0.5 * rng.normal(size=(2, pairs, 6))
    both[0, :, 0] += apart
    both /= np.linalg.norm(both, axis=-1, keepdims=True)
    return both[0], both[1]


def test_values_are_those_of_plain_loops() -> None:
    images, texts = two_clouds(1.0)
    frame = analysis.modality_gap(images, texts, neighbours=5).set_index("measure")
    distance = np.sqrt(sum((images[:, d].mean() - texts[:, d].mean()) ** 2 for d in range(6)))
    every = np.concatenate([images, texts])
    same = []
    for one in range(80):
        others = sorted(
            (np.linalg.norm(every[one] - every[other]), other)
            for other in range(80)
            if other != one
        )
        same += [(other < 40) == (one < 40) for _, other in others[:5]]
    assert frame.loc[DISTANCE, "value"] == pytest.approx(distance)
    assert frame.loc[NEIGHBOURS, "value"] == pytest.approx(np.mean(same))


def test_the_interval_of_the_distance_is_a_jackknife() -> None:
    images, texts = two_clouds(2.0, pairs=12)
    frame = analysis.modality_gap(images, texts).set_index("measure")
    lengths = [
        np.linalg.norm(np.delete(images, one, 0).mean(0) - np.delete(texts, one, 0).mean(0))
        for one in range(12)
    ]
    whole = np.linalg.norm(images.mean(0) - texts.mean(0))
    pseudo = 12 * whole - 11 * np.array(lengths)
    reach = 2.200985 * pseudo.std(ddof=1) / np.sqrt(12)  # Student's t of 11 degrees of freedom
    assert frame.loc[DISTANCE, "low"] == pytest.approx(pseudo.mean() - reach, abs=1e-6)
    assert frame.loc[DISTANCE, "high"] == pytest.approx(pseudo.mean() + reach, abs=1e-6)


def test_a_gap_is_beyond_its_null_and_none_is_not() -> None:
    assert analysis.modality_gap(*two_clouds(2.0))["beyond_null"].all()
    none = analysis.modality_gap(*two_clouds(0.0, pairs=100))
    assert not none["beyond_null"].any()
    assert (none["null_low"] <= none["value"]).all()


def test_pairs_of_one_concept_are_one_unit() -> None:
    images, texts = two_clouds(0.5, pairs=10)
    concepts = [f"c{pair % 5}" for pair in range(10)]
    once = analysis.modality_gap(images, texts, concepts=concepts)
    assert (once["units"] == 5).all()
    unknown = analysis.modality_gap(images, texts, concepts=[""] * 10)
    assert (unknown["units"] == 10).all()
    # Ten times the same pairs hold no more than once: the interval stays as wide.
    repeated = analysis.modality_gap(
        np.tile(images, (10, 1)), np.tile(texts, (10, 1)), concepts=concepts * 10
    )
    width = [float((frame["high"] - frame["low"])[0]) for frame in (once, repeated)]
    assert width[0] == pytest.approx(width[1])


@given(st.integers(0, 50), st.integers(3, 12))
@settings(max_examples=10)
def test_which_modality_is_called_which_does_not_matter(seed: int, pairs: int) -> None:
    images, texts = two_clouds(0.7, pairs, seed)
    one, other = (
        analysis.modality_gap(*each, samples=20) for each in ((images, texts), (texts, images))
    )
    assert one["value"].to_numpy() == pytest.approx(other["value"].to_numpy())
    assert one["high"].to_numpy() == pytest.approx(other["high"].to_numpy())


def test_many_pairs_are_drawn_from() -> None:
    images, texts = two_clouds(0.5, pairs=90)
    frame = analysis.modality_gap(images, texts, most=50, samples=20)
    assert (frame["pairs"] == 50).all()


def test_what_has_no_gap() -> None:
    images, texts = two_clouds(0.5)
    with pytest.raises(AnalysisError, match="at least two"):
        analysis.modality_gap(images[:1], texts[:1])
    with pytest.raises(AnalysisError, match="40 pictures but 39"):
        analysis.modality_gap(images, texts[1:])
