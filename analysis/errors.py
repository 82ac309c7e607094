"""The one error of this package: a question that the data at hand cannot answer."""

from __future__ import annotations


class AnalysisError(ValueError):
    """A question that the trace or run cannot answer, in a sentence to act on."""
