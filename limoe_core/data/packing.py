"""Captions packed into windows, so that padding costs next to nothing.

A caption of the emoji set has about five tokens where there is room for sixteen. Windows as long as
the longest caption hold several short ones each; attention works on one window at a time and keeps
every token to its own caption.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int


def pack_windows(ids: Int[np.ndarray, "T L"], multiple: int = 1) -> Int[np.ndarray, "R L"]:
    """Flat indices, into T·L, of all text tokens but padding, packed in windows.

    Longest first, each caption goes whole into the window where it leaves the least room. Empty
    positions hold T·L, and so do the windows that are added to make R a multiple, which keeps the
    number of different shapes, and so of compilations, small.
    """
    captions, length = ids.shape
    lengths = np.count_nonzero(ids, axis=1)
    free: list[list[int]] = [[] for _ in range(length + 1)]  # windows by the room left in them
    rows, starts = np.zeros(captions, np.int64), np.zeros(captions, np.int64)
    count = 0
    for caption in np.argsort(-lengths, kind="stable").tolist():
        needed = int(lengths[caption])
        if not needed:
            break
        room = next((room for room in range(needed, length + 1) if free[room]), None)
        if room is None:
            row, room, count = count, length, count + 1
        else:
            row = free[room].pop()
        rows[caption], starts[caption] = row, length - room
        free[room - needed].append(row)
    windows = np.full((-(-max(count, 1) // multiple) * multiple, length), ids.size, np.int32)
    places = np.flatnonzero(ids)
    caption = places // length
    rank = np.arange(len(places)) - (np.cumsum(lengths) - lengths)[caption]
    windows[rows[caption], starts[caption] + rank] = places
    return windows


def pack_groups(texts: Int[np.ndarray, "G b c L"], multiple: int) -> Int[np.ndarray, "G R L"]:
    """`pack_windows` of every routing group, all with as many windows as the fullest."""
    groups, pictures, captions, length = texts.shape
    each = [pack_windows(ids, multiple) for ids in texts.reshape(groups, -1, length)]
    most = max(map(len, each))
    filler = pictures * captions * length
    return np.stack(
        [
            np.pad(windows, ((0, most - len(windows)), (0, 0)), constant_values=filler)
            for windows in each
        ]
    )
