"""The order of pictures: every picture once in an epoch, from the seed alone."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from limoe_core.data.shuffles import MixedShuffles, Shuffles, shuffle


@given(st.integers(1, 40), st.data(), st.integers(0, 3))
def test_batches_are_shuffles_cut_one_after_another(
    count: int, data: st.DataObject, seed: int
) -> None:
    batch = data.draw(st.integers(1, count))
    batches = Shuffles(count, batch, seed)
    asked = range(3 * count // batch)
    shown = np.concatenate([batches[position] for position in asked])
    assert shown.dtype == np.int32
    epochs = np.concatenate([shuffle(count, seed, epoch) for epoch in range(4)])
    np.testing.assert_array_equal(shown, epochs[: len(shown)])
    for epoch in range(len(shown) // count):
        assert sorted(shown[epoch * count :][:count].tolist()) == list(range(count))
    again = Shuffles(count, batch, seed)  # in any order, as after a restart
    for position in reversed(asked):
        np.testing.assert_array_equal(again[position], batches[position])


def test_epochs_and_seeds_differ() -> None:
    first = shuffle(1000, 1, 0)
    for seed, epoch in ((1, 1), (2, 0)):
        assert not np.array_equal(first, shuffle(1000, seed, epoch))


def test_the_shuffle_is_over_the_whole_set() -> None:
    """Where a picture comes in an epoch says nothing about where it comes in the next."""
    orders = [np.argsort(shuffle(9000, 0, epoch)) for epoch in range(3)]
    for order in (orders, [np.arange(9000), orders[0]]):
        assert abs(np.corrcoef(order[0], order[1])[0, 1]) < 0.05


@given(st.integers(2, 30), st.integers(2, 30), st.data())
def test_each_part_has_its_places_in_every_batch_and_epochs_of_its_own(
    first: int, second: int, data: st.DataObject
) -> None:
    order = np.random.default_rng(0).permutation(first + second)
    parts = (order[:first], order[first:])
    places = (data.draw(st.integers(1, first)), data.draw(st.integers(1, second)))
    batches = MixedShuffles(parts, places, 3)
    shown = [batches[position] for position in range(20)]
    for part, count in zip(parts, places, strict=True):
        own = [batch[np.isin(batch, part)] for batch in shown]
        assert [len(batch) for batch in own] == [count] * 20
        epochs = 20 * count // len(part)
        seen = np.bincount(np.concatenate(own), minlength=first + second)[part]
        assert set(seen.tolist()) <= {epochs, epochs + 1}
    np.testing.assert_array_equal(batches[7], shown[7])


def test_parts_are_mixed_within_a_batch() -> None:
    batches = MixedShuffles((np.arange(50), np.arange(50, 150)), (20, 20), 0)
    of_first = np.mean([batches[position] < 50 for position in range(200)], axis=0)
    assert of_first.min() > 0.3
    assert of_first.max() < 0.7
