"""Captions side by side: every token once, every caption whole, few windows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limoe_core.data import packing
from limoe_core.data.packing import pack_groups, pack_windows, window_numbers

captions = st.integers(1, 9).flatmap(
    lambda length: st.lists(
        st.lists(st.integers(1, 99), max_size=length).map(
            lambda ids: ids + [0] * (length - len(ids))
        ),
        min_size=1,
        max_size=40,
    )
)


@given(captions)
def test_every_token_has_one_slot_and_every_caption_lies_whole_in_one_window(
    rows: list[list[int]],
) -> None:
    ids = np.array(rows, np.int32)
    windows = pack_windows(ids)
    assert windows.shape[1] == ids.shape[1]
    used = windows[windows < ids.size]
    np.testing.assert_array_equal(np.sort(used), np.flatnonzero(ids))
    assert np.all(windows[windows >= ids.size] == ids.size)
    for caption in range(len(ids)):
        row, slot = np.nonzero(windows // ids.shape[1] == caption)
        assert len(set(row.tolist())) <= 1
        assert slot.tolist() == list(range(slot[0], slot[0] + len(slot))) if len(slot) else True
        assert windows[row, slot].tolist() == sorted(windows[row, slot].tolist())


@given(captions)
def test_no_two_windows_would_fit_into_one(rows: list[list[int]]) -> None:
    """So at most one window is half empty, and there are at most twice as many as must be."""
    ids = np.array(rows, np.int32)
    filled = np.sort(np.sum(pack_windows(ids) < ids.size, axis=1))
    if len(filled) > 1:
        assert filled[0] + filled[1] > ids.shape[1]


def test_captions_of_five_tokens_fill_their_windows() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.poisson(4.6, (1024, 1)).clip(1, 16)
    ids = np.where(np.arange(16) < lengths, 7, 0).astype(np.int32)
    assert lengths.sum() / pack_windows(ids).size > 0.97


def test_groups_have_as_many_windows_as_the_fullest() -> None:
    texts = np.zeros((2, 2, 1, 4), np.int32)
    texts[0, 0, 0, :3] = texts[0, 1, 0, :3] = texts[1, 0, 0, :1] = 5
    windows = pack_groups(texts)
    assert windows.tolist() == [[[0, 1, 2, 8], [4, 5, 6, 8]], [[0, 8, 8, 8], [8, 8, 8, 8]]]


@given(captions)
def test_as_few_windows_as_when_each_caption_is_placed_by_itself(rows: list[list[int]]) -> None:
    """Captions of one length are placed together; that must cost no window."""
    ids = np.array(rows, np.int32)
    room: list[int] = []
    for needed in sorted(np.count_nonzero(ids, axis=1).tolist(), reverse=True):
        fits = [place for place, left in enumerate(room) if left >= needed]
        if needed and fits:
            room[min(fits, key=room.__getitem__)] -= needed
        elif needed:
            room.append(ids.shape[1] - needed)
    assert len(pack_windows(ids)) == max(1, len(room))


def test_time_goes_by_tokens_and_not_by_a_step_for_each_caption(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The Python steps are as many as there are lengths, whatever the number of captions."""
    steps = 0
    fill = packing._Packing._fill

    def counted(*arguments: Any) -> Any:
        nonlocal steps
        steps += 1
        return fill(*arguments)

    monkeypatch.setattr(packing._Packing, "_fill", counted)
    lengths = np.random.default_rng(0).integers(1, 17, (20_000, 1))
    pack_windows(np.where(np.arange(16) < lengths, 7, 0).astype(np.int32))
    assert steps < 16 * 16


def lengths_of(rng: np.random.Generator, mean: float, groups: int, captions: int) -> np.ndarray:
    lengths = rng.poisson(mean, (groups, captions // groups, 1, 1)).clip(1, 16)
    return np.where(np.arange(16) < lengths, 7, 0).astype(np.int32)


@pytest.mark.parametrize("mean, groups, captions", [(4.6, 1, 64), (6, 4, 512), (15, 1, 128)])
def test_a_run_is_compiled_for_two_numbers_of_windows_at_most(
    mean: float, groups: int, captions: int
) -> None:
    rng = np.random.default_rng(0)
    numbers = window_numbers([lengths_of(rng, mean, groups, captions) for _ in range(8)])
    assert len(numbers) <= 2
    shapes = [
        pack_groups(lengths_of(rng, mean, groups, captions), numbers).shape for _ in range(100)
    ]
    assert set(shapes) == {(groups, numbers[0], 16)}  # which is enough but for one in 100,000
    longest = np.full((groups, captions // groups, 1, 16), 7, np.int32)
    assert pack_groups(longest, numbers).shape[1] == numbers[-1] == captions // groups
