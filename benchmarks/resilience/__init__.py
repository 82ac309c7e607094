"""Attacks on runs and on the dashboard: `make soak`, or `python -m benchmarks.resilience`."""
