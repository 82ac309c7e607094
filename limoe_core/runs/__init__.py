"""The run directory, which is all that training, analysis and the dashboard share.

    from limoe_core.runs import Run
    run = Run.open("checkpoints/limoe-joint")

Reading a run starts neither JAX nor Orbax; both come when parameters are asked for.
"""

from limoe_core.runs.directory import Run, RunError
from limoe_core.runs.listing import RunListing, find_run, list_runs
from limoe_core.runs.predictions import Predictions
from limoe_core.runs.recording import TraceWriter

__all__ = ["Predictions", "Run", "RunError", "RunListing", "TraceWriter", "find_run", "list_runs"]
