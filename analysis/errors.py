"""The one error of this package: a question that the data at hand cannot answer."""

from __future__ import annotations


class AnalysisError(ValueError):
    """What was asked does not fit the trace or run, said in a sentence the user can act on."""
