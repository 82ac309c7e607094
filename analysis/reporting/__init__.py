"""The parts of a report: what stands in it, and how it becomes one file. See `analysis.report`."""
