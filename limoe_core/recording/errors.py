"""What is wrong with a recording."""

from __future__ import annotations


class RecordingError(ValueError):
    """A model, a processor or pairs that cannot be recorded, and what to do."""
