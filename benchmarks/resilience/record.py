"""Record of an attack: number of tries, and number that did harm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_TOLD = 20


@dataclass(frozen=True)
class Record:
    """One kind of attack."""

    name: str
    tried: int
    failed: int
    """Number of tries that did harm: an unexpected error, a wrong result, no answer."""
    how: str
    """Details: seeds, sizes, the slowest answer, memory; and what failed."""

    @classmethod
    def of(cls, name: str, tried: int, failures: Sequence[str], how: str) -> Record:
        """The record of an attack whose failures are told in words; the first few stay in it."""
        told = f"; FAILED: {'; '.join(failures[:_TOLD])}" if failures else ""
        return cls(name, tried, len(failures), how + told)
