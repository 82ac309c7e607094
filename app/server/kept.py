"""Values that the server keeps, bounded by the memory that they take and not by their number.

A run may bring traces of any size: a hundred of them may be ten megabytes, or all that there are.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """The values used last, up to so many bytes together."""

    def __init__(self, most: int, size: Callable[[T], int]) -> None:
        """
        Args:
          most: bytes; a value larger than that is not kept at all.
          size: bytes of a value.
        """
        self._most, self._size = most, size
        self._values: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of a key, made if it is not kept; two readers may make one at a time.

        Raises:
          Exception: what `make` raises.
        """
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key][0]
        value = make()
        with self._lock:
            self._values[key] = value, self._size(value)
            self._values.move_to_end(key)
            while sum(size for _, size in self._values.values()) > self._most:
                self._values.popitem(last=False)
        return value
