"""Captions packed into windows, so that padding costs next to nothing.

A caption of the emoji set has about five tokens where there is room for sixteen. Windows as long as
the longest caption hold several short ones each; attention works on one window at a time and keeps
every token to its own caption.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int, Int64


def pack_windows(ids: Int[np.ndarray, "T L"]) -> Int[np.ndarray, "R L"]:
    """Flat indices, into T·L, of all text tokens but padding, packed in windows.

    Longest first, each caption goes whole into the window where it leaves the least room. Empty
    positions hold T·L. There is at least one window.
    """
    length = ids.shape[1]
    lengths = np.count_nonzero(ids, axis=1)
    packing = _Packing.best_fit(lengths, length)
    windows = np.full((max(packing.count, 1), length), ids.size, np.int32)
    places = np.flatnonzero(ids)
    caption = places // length
    rank = np.arange(len(places)) - (np.cumsum(lengths) - lengths)[caption]
    windows[packing.row[caption], packing.start[caption] + rank] = places
    return windows


@dataclass
class _Packing:
    """Where captions lie in windows of `room` positions."""

    room: int
    row: Int64[np.ndarray, " T"]
    """Window of each caption."""
    start: Int64[np.ndarray, " T"]
    """Its first position there."""
    count: int = 0
    """Windows."""
    free: dict[int, list[np.ndarray]] = field(default_factory=dict)
    """Windows by the room left in them."""

    @classmethod
    def best_fit(cls, lengths: Int64[np.ndarray, " T"], room: int) -> _Packing:
        """Longest first, each caption where it leaves the least room.

        All captions of one length are placed at once, as one is as good as another: the fullest
        windows that have room take as many of them as they can.
        """
        found = cls(room, np.zeros_like(lengths), np.zeros_like(lengths))
        order = np.argsort(-lengths, kind="stable")
        each, first = np.unique(-lengths[order], return_index=True)
        for needed, own in zip((-each).tolist(), np.split(order, first[1:]), strict=True):
            if needed:
                found._place(own, needed)
        return found

    def _place(self, captions: Int64[np.ndarray, " n"], needed: int) -> None:
        for left in sorted(left for left in self.free if left >= needed):
            captions = self._fill(np.concatenate(self.free.pop(left)), left, captions, needed)
        windows = -(-len(captions) // (self.room // needed))
        self.count += windows
        self._fill(np.arange(self.count - windows, self.count), self.room, captions, needed)

    def _fill(
        self,
        windows: Int64[np.ndarray, " w"],
        left: int,
        captions: Int64[np.ndarray, " n"],
        needed: int,
    ) -> Int64[np.ndarray, " rest"]:
        """Puts captions of one length into windows with some room left; returns those left over."""
        most = left // needed
        taken = min(len(captions), most * len(windows))
        number = np.arange(taken)
        self.row[captions[:taken]] = windows[number // most]
        self.start[captions[:taken]] = self.room - left + number % most * needed
        full, rest = divmod(taken, most)
        for some, used in (
            (windows[:full], most),
            (windows[full : full + (rest > 0)], rest),
            (windows[full + (rest > 0) :], 0),
        ):
            if len(some):
                self.free.setdefault(left - used * needed, []).append(some)
        return captions[taken:]


def pack_groups(
    texts: Int[np.ndarray, "G b c L"], numbers: Sequence[int] = ()
) -> Int[np.ndarray, "G R L"]:
    """`pack_windows` of every routing group, all with equally many windows.

    Args:
      numbers: of windows to have, rising, the first of which that is enough is taken; by default,
        or where none is, as many as the fullest group needs. Windows that are added are empty.
    """
    groups, pictures, captions, length = texts.shape
    each = [pack_windows(ids) for ids in texts.reshape(groups, -1, length)]
    most = max(map(len, each))
    most = next((number for number in numbers if number >= most), most)
    filler = pictures * captions * length
    return np.stack(
        [
            np.pad(windows, ((0, most - len(windows)), (0, 0)), constant_values=filler)
            for windows in each
        ]
    )


def window_numbers(samples: Sequence[Int[np.ndarray, "G b c L"]]) -> tuple[int, ...]:
    """Numbers of windows that batches of a run are given: one that is usual, and what is enough.

    A step is compiled anew for each number of windows, so there are two at most.

    Args:
      samples: captions of some batches.
    """
    enough = samples[0].shape[1] * samples[0].shape[2]  # a window for each caption
    groups = [ids for each in samples for ids in each.reshape(len(each), enough, -1)]
    needed = [len(pack_windows(ids)) for ids in groups]
    usual = max(needed) + 1 + math.ceil(3 * float(np.std(needed)))
    return (usual, enough) if usual < enough else (enough,)
