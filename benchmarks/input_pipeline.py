"""A training step's wait for its next batch."""

from __future__ import annotations

import statistics
import time

import jax

from benchmarks.measure import Line
from benchmarks.training import one_device, stepper
from limoe_core.config import Config, ConfigError
from limoe_core.data.batches import BatchSource, training_batches
from limoe_core.data.source import PairSet, load_pairs
from limoe_core.presets import preset
from limoe_core.tokenizer import Tokenizer
from limoe_core.training.placement import Placer

_WARM_UP, _STEPS = 3, 30
_NAME = "input pipeline's idle share of a step"
_GOAL = 0.02


def run(name: str = "emoji-tiny", warm_up: int = _WARM_UP, steps: int = _STEPS) -> list[Line]:
    """Share of time spent waiting, and a batch's own cost; needs the data on disk."""
    config = preset(name)
    try:
        pairs = load_pairs(config.data, "train", build=False, progress=False)
    except ConfigError as error:
        return [Line(name=_NAME, value=None, goal=_GOAL, how=f"skipped: {error}")]
    return lines(config, pairs, name, warm_up, steps)


def lines(config: Config, pairs: PairSet, name: str, warm_up: int, steps: int) -> list[Line]:
    """The measurements for these settings and pairs, under `name`."""
    tokenizer = Tokenizer.train(pairs.captions(), config.model.vocab_size)
    placer = Placer(config, one_device())
    batches = training_batches(pairs, tokenizer, config, placer.rows)
    advance = stepper(config)
    waits: list[float] = []
    times: list[float] = []
    for number in range(warm_up + steps):
        start = time.perf_counter()
        batch = placer(next(batches))
        ready = time.perf_counter()
        # Waiting for the step separates it from the wait for a batch; in a run they may overlap.
        jax.block_until_ready(advance(batch))
        if number >= warm_up:
            waits.append(ready - start)
            times.append(time.perf_counter() - start)
    # The median, so that a step that compiled for a new number of text tokens does not count.
    step = statistics.median(times)
    alone = _alone(BatchSource(pairs, tokenizer, config), steps)
    return [
        Line(
            name=_NAME,
            value=statistics.mean(waits) / step,
            goal=_GOAL,
            limit=0.0,
            how=f"{name}, {pairs.name}, {len(pairs)} pictures, batch {config.data.batch_size}: "
            f"mean wait of {steps} steps {1000 * statistics.mean(waits):.3g} ms, median step "
            f"{1000 * step:.4g} ms",
        ),
        Line(
            name="making a batch ÷ training step",
            value=alone / step,
            how=f"median of {steps} batches made in the foreground, {1000 * alone:.3g} ms",
        ),
    ]


def _alone(source: BatchSource, batches: int) -> float:
    """Median seconds to make one batch."""
    times = []
    for position in range(batches):
        start = time.perf_counter()
        source[position]
        times.append(time.perf_counter() - start)
    return statistics.median(times)
