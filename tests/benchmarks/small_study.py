"""A run of the study with a recipe that takes seconds, as a command of its own."""

from __future__ import annotations

import sys
from dataclasses import replace

from benchmarks.study import one_run, outcomes
from limoe_core.config import Config
from limoe_core.presets import preset

STEPS = 60
#: Pairs that experts are looked at on, and starts of k-means.
PAIRS, STARTS = 40, 2


def small(config: Config) -> Config:
    """The recipe with the debug model, on emoji's config `base`."""
    debug = preset("debug")
    return replace(
        config,
        model=replace(debug.model, moe_every=2),
        data=replace(config.data, config="base", batch_size=16),
        train=replace(config.train, steps=STEPS, log_every=1, checkpoint_every=5, probe_pairs=2),
    )


def main() -> int:
    """`one_run` with the small recipe."""
    one_run.RECIPE = small(one_run.RECIPE)
    outcomes.PAIRS, outcomes.STARTS = PAIRS, STARTS
    return one_run.main()


if __name__ == "__main__":
    sys.exit(main())
