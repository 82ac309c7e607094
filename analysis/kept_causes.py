"""Effects of changed experts that a run keeps, of models that are not at hand.

`limoe_core.recording.measure_causes` measures them for models of transformers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from jaxtyping import Float

from analysis.arguments import check_count
from analysis.errors import AnalysisError

if TYPE_CHECKING:
    from limoe_core.runs.effects import Effects

#: Rises up to this share of the baseline are rounding and no effect.
_ROUNDING = 1e-9


def recorded_causes(
    effects: Effects, layer: int | None = None, *, samples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Mean rise of the measure when an expert is changed for one kind of token.

    Args:
      effects: from `run.effects(variant)`.
      layer: number of one router; all that were measured by default.
      samples: bootstrap resamples of pairs for the intervals.

    Returns: one row per router, expert and kind of token that was measured, with columns layer,
      expert, kind, rise (mean over pairs), low and high (95 % interval over pairs), effect
      ("rises" where the interval lies above 0, "falls" where it lies below, "" where it holds 0; of
      a hundred without any effect five have one), tokens (of the kind, that choose the expert),
      baseline (the measure with nothing changed), chance (of guessing; NaN where that is not
      defined), pairs.

    Raises:
      AnalysisError: there is no such router, or `samples` is below 1.
    """
    check_count(samples, "samples")
    known = effects.layers.tolist()
    if layer is not None and layer not in known:
        raise AnalysisError(f"there is no router {layer}; there are {known}")
    rng = np.random.default_rng(seed)
    pairs = len(effects.baseline)
    draws = rng.multinomial(pairs, np.full(pairs, 1 / pairs), size=samples) / pairs
    rows = []
    for at, number in enumerate(known):
        if layer in (None, number):
            rows += _of_router(effects, at, draws)
    columns = ("layer", "expert", "kind", "rise", "low", "high", "effect", "tokens")
    frame = pd.DataFrame(rows, columns=list(columns))
    baseline = float(effects.baseline.mean())
    return frame.assign(baseline=baseline, chance=float(effects.chance), pairs=pairs)


def _of_router(
    effects: Effects, at: int, draws: Float[np.ndarray, "samples N"]
) -> list[tuple[object, ...]]:
    rises = effects.rise[at].astype(np.float64)
    experts, kinds = np.nonzero((effects.tokens[at] >= 0) & ~np.isnan(rises).any(axis=-1))
    if not len(experts):
        return []
    chosen = rises[experts, kinds]
    low, high = np.quantile(draws @ chosen.T, [0.025, 0.975], axis=0)
    least = _ROUNDING * max(1.0, abs(float(effects.baseline.mean())))
    effect = np.select([low > least, high < -least], ["rises", "falls"], "")
    return [
        (
            int(effects.layers[at]),
            int(expert),
            str(effects.kinds[kind]),
            float(mean),
            float(one),
            float(other),
            str(word),
            int(effects.tokens[at, expert, kind]),
        )
        for expert, kind, mean, one, other, word in zip(
            experts, kinds, chosen.mean(axis=1), low, high, effect, strict=True
        )
    ]
