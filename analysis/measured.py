"""Numbers of experts from what `evaluate --experts` keeps in a run: `run.experts(step)`.

All that is counted of a trace is counted of `run.experts(step).trace`, such as
`analysis.roles(run.experts(step).trace)`. Here is what needs more than decisions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.special import entr

from analysis.shares import choice_counts, health, pair_counts
from analysis.specialisation import modality_nmi

if TYPE_CHECKING:
    from limoe_core.runs.experts import ExpertRecord

_COLUMNS = ["layer", "router", "nmi", "low", "high", "draws", "pairs"]


def specialisation_baselines(measured: ExpertRecord) -> pd.DataFrame:
    """`modality_nmi` of the trained routers beside that of routers that learned nothing.

    Args:
      measured: from `run.experts(step)`.

    Returns: one row per layer and router, with columns layer, router ("trained"; "step 0", the same
      routers before training, where they can be made again; and those of
      `limoe_core.evaluation.unlearned`, on some of the pairs), nmi (the mean over draws), low, high
      (2.5 % and 97.5 % of the draws; equal to the value where there is one), draws, pairs.
    """
    trained = choice_counts(measured.trace)
    some = pair_counts(measured.trace)[:, : measured.others.pairs].sum(axis=1)
    found: list[tuple[str, Float[np.ndarray, "L D"], int]] = [
        ("trained", modality_nmi(trained)[:, None], measured.pairs),
        ("trained, same pairs", modality_nmi(some)[:, None], measured.others.pairs),
    ]
    if measured.untrained is not None:
        before = modality_nmi(measured.untrained.sum(axis=1))
        found.append(("step 0", before[:, None], measured.pairs))
    for name, counts in zip(measured.others.names, measured.others.counts, strict=True):
        found.append((name, modality_nmi(counts), measured.others.pairs))
    rows = [
        (int(block), name, float(np.mean(of_layer)), *_middle(of_layer), len(of_layer), pairs)
        for layer, block in enumerate(measured.trace.layers)
        for name, values, pairs in found
        for of_layer in (values[layer],)
    ]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _middle(values: Float[np.ndarray, " D"]) -> tuple[float, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def measured_health(measured: ExpertRecord) -> pd.DataFrame:
    """`analysis.router_health` of a record, which keeps the means of gate distributions.

    Args:
      measured: from `run.experts(step)`.
    """
    of_mean = entr(measured.mean_probs.astype(np.float64)).sum(axis=-1)
    return health(measured.trace, np.stack([measured.token_entropy, of_mean], axis=-1))
