"""What an attack came to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Record:
    """One attack: how often it was tried, and how often the promise broke."""

    name: str
    tried: int
    failed: int
    how: str
    """What was done, with seeds and sizes, and what was measured."""
