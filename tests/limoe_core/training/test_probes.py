"""When the routing of the probe pairs is recorded."""

from __future__ import annotations

import numpy as np

from limoe_core.training.probes import probe_steps


def test_probe_steps_are_dense_early_and_sparse_late() -> None:
    steps = probe_steps(6000, 500)
    assert steps[0] == 0
    assert steps[-1] == 6000
    assert set(range(500, 6001, 500)) <= set(steps)
    gaps = np.diff(steps)
    assert max(gaps) <= 500
    assert sum(step <= 500 for step in steps) > 10
    assert probe_steps(5, 500) == [0, 5]
