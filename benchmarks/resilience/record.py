"""Record of an attack: number of tries, and number that did harm."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Record:
    """One kind of attack."""

    name: str
    tried: int
    failed: int
    """Number of tries that did harm: an unexpected error, a wrong result, no answer."""
    how: str
    """Details: seeds, sizes, the slowest answer, memory; and what failed."""
