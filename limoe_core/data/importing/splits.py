"""Splits of imported pairs, by the content of the pictures."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int8, UInt64

from limoe_core.config import ConfigError

#: Splits by number; `NONE` where the source does not say.
SPLITS = ("train", "validation", "test")
NONE = -1
#: Shares of the distinct pictures, at least one of each.
VALIDATION, TEST = 0.05, 0.1
_TRAIN, _VALIDATION, _TEST = range(3)
#: Pictures that are left to train on, at least; one alone has none to be told from.
_LEAST = 2


def cut(content: UInt64[np.ndarray, " n"], given: Int8[np.ndarray, " n"]) -> Int8[np.ndarray, " n"]:
    """The split of each picture: the given one, or by its content.

    Equal contents get the same split unless the source says otherwise. A picture stays in its
    split when others come or go, as long as a split does not become empty.

    Args:
      content: a hash of each picture, evenly spread.
      given: index into `SPLITS`, or `NONE`.

    Raises:
      ConfigError: there are too few pictures, or none of training.
    """
    out = given.copy()
    if np.all(given == NONE):
        out[:] = _cut(content, VALIDATION, TEST)
    else:
        out[given == NONE] = _TRAIN
        train = out == _TRAIN
        if not np.any(train):
            raise ConfigError(
                "all pictures are of the splits validation or test, by a column or the names of "
                "files and folders, and none is of train; name one train, or none, to have splits "
                "cut"
            )
        if not np.any(out == _VALIDATION):
            out[train] = _cut(content[train], VALIDATION, 0.0)
    return out


def _cut(
    content: UInt64[np.ndarray, " n"], validation: float, test: float
) -> Int8[np.ndarray, " n"]:
    distinct, place = np.unique(content, return_inverse=True)
    least = _LEAST + 1 + (test > 0)
    if len(distinct) < least:
        raise ConfigError(
            f"there are too few different pictures with a text, {len(distinct)}: to cut splits "
            f"from them takes {least} at least"
        )
    shares = distinct / 2.0**64
    first = max(1, int(np.searchsorted(shares, validation)))
    second = first
    if test:
        second = max(first + 1, int(np.searchsorted(shares, validation + test)))
    last = len(distinct) - _LEAST
    second = min(second, last)
    first = min(first, second - 1 if test else last)
    split = np.full(len(distinct), _TRAIN, np.int8)
    split[:second] = _TEST
    split[:first] = _VALIDATION
    return split[place]
