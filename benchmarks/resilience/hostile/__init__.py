"""Runs and files that do harm to a careless reader, made from a good run.

    cases = hostile_runs(good_run, folder)  # one folder a case
    for case in tampered_traces(good_run, folder, n=1000, seed=0):  # one trace file a case
        ...

The same source and seed give the same cases. They need no rights of the system's administrator.
"""

from benchmarks.resilience.hostile.cases import SECRET, Case
from benchmarks.resilience.hostile.runs import hostile_runs
from benchmarks.resilience.hostile.traces import tampered_traces

__all__ = ["SECRET", "Case", "hostile_runs", "tampered_traces"]
