"""The run directory, which is all that training, analysis and the dashboard share."""

from limoe_core.runs.directory import Run, RunError
from limoe_core.runs.predictions import Predictions

__all__ = ["Predictions", "Run", "RunError"]
