"""Curves made smooth and small, against plain loops."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.errors import AnalysisError
from analysis.smoothing import smoothed, thinned

VALUES = st.lists(
    st.floats(-1e6, 1e6) | st.sampled_from([np.nan, np.inf]), min_size=1, max_size=200
)


@given(VALUES, st.integers(1, 20))
def test_no_peak_is_lost_and_nothing_is_made_up(values: list[float], buckets: int) -> None:
    y = np.array(values)
    x = np.arange(len(y), dtype=float)
    kept = thinned(x, y, buckets)
    assert np.array_equal(kept, np.unique(kept))
    assert len(kept) <= max(4 * buckets, 1)
    assert kept[0] == 0 and kept[-1] == len(y) - 1
    finite = y[np.isfinite(y)]
    if len(finite):
        assert y[kept][np.isfinite(y[kept])].max() == finite.max()
        assert y[kept][np.isfinite(y[kept])].min() == finite.min()


def test_each_part_of_the_axis_keeps_its_own_extremes() -> None:
    rng = np.random.default_rng(0)
    x, y = np.log(np.arange(1, 5001)), rng.normal(size=5000)
    kept = set(thinned(x, y, 50).tolist())
    edges = np.linspace(x[0], x[-1], 51)
    for low, high in itertools.pairwise(edges):
        part = np.flatnonzero((x >= low + 1e-9) & (x < high - 1e-9))
        if len(part) > 2:  # the ends may belong to the next part by rounding
            assert {part[np.argmax(y[part])], part[np.argmin(y[part])]} <= kept


@given(VALUES, st.floats(0.1, 100))
def test_the_average_is_the_weighted_mean_of_what_came_before(
    values: list[float], half_life: float
) -> None:
    y = np.array(values)
    steps = np.cumsum(np.arange(1, len(y) + 1))
    found = smoothed(steps, y, half_life)
    for place in range(len(y)):
        before = np.flatnonzero(np.isfinite(y[: place + 1]))
        if not np.isfinite(y[place]):
            assert np.isnan(found[place])
            continue
        weights = 0.5 ** ((steps[place] - steps[before]) / half_life)
        assert found[place] == pytest.approx(np.average(y[before], weights=weights), rel=1e-6)


def test_no_half_life_leaves_the_values_as_they_are() -> None:
    y = np.array([1.0, np.nan, 3.0])
    assert np.array_equal(smoothed(np.arange(3), y, 0), y, equal_nan=True)
    with pytest.raises(AnalysisError, match="half_life"):
        smoothed(np.arange(3), y, -1)
    with pytest.raises(AnalysisError, match="buckets"):
        thinned(np.arange(3.0), y, 0)
