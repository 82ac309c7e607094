"""What an attack leaves behind: how often it was tried, and how often it got through."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Record:
    """One kind of attack."""

    name: str
    tried: int
    failed: int
    """How many of the tried ones did harm: an error nobody expected, a wrong result, no answer."""
    how: str
    """What was done and measured: seeds, sizes, the slowest answer, memory; and what failed."""
