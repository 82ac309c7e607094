"""Batches that say which one they are, for tests of reading in other processes."""

from __future__ import annotations

import numpy as np


class Numbered:
    """A source of batches by number; one of them cannot be made."""

    def __init__(self, wrong: int = -1) -> None:
        self._wrong = wrong

    def __len__(self) -> int:
        return 2**40

    def __getitem__(self, number: int) -> dict[str, np.ndarray]:
        if number == self._wrong:
            raise ValueError(f"batch {number} cannot be made")
        return {
            "image": np.full((4, 30, 30), int(number) % 256, np.uint8),
            "number": np.array([number]),
        }
