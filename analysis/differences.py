"""The routing of two runs, or of two steps of one: differences with intervals, and all at once.

Every interval here is about the pairs that were looked at. What another seed would give
is not in it: two runs of one seed each show how these two differ, and not that what they were
trained with makes the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from jaxtyping import Float, Num
from scipy.stats import t

from analysis.arguments import check_share, check_trace
from analysis.comparison import holm
from analysis.errors import AnalysisError
from analysis.frame import token_entropy
from analysis.points import same_pairs
from analysis.shares import pair_counts
from analysis.specialisation import modality_nmi
from limoe_core.trace import MODALITIES, RoutingTrace

_ROUTING = [
    "layer", "measure", "modality", "value", "other", "difference", "low", "high", "p", "p_holm",
    "pairs", "paired",
]  # fmt: skip
_Statistic = Callable[[Num[np.ndarray, "*b 2 E"]], Float[np.ndarray, "*b"]]


def routing_differences(
    trace: RoutingTrace, other: RoutingTrace, *, level: float = 0.95
) -> pd.DataFrame:
    """How the routing of two models differs, by layer: NMI, entropies and drops of one less other.

    Intervals and p values are of the jackknife over pairs: where both traces are of the same pairs,
    each is left out of both at once, so that what is common to both does not blur the difference.
    Values and differences are less the bias of few pairs. Near an NMI of 0 or 1 the intervals are
    too narrow.

    Returns: one row per layer that both have, measure and modality, with columns
      layer; measure: "modality NMI", "token entropy" (nats) or "drop rate"; modality: missing for
        the NMI;
      value, other: of the first and of the second trace; difference: value less other;
      low, high: the interval; p: two-sided, of no difference; p_holm: corrected for all rows;
      pairs: of the first trace; paired: whether both are of the same pairs.

    Raises:
      AnalysisError: one is no trace, has a single pair or one modality alone, or they have no layer
        in common.
    """
    check_trace(trace)
    check_trace(other)
    check_share(level, "level", inside=True)
    common = [int(block) for block in trace.layers if block in other.layers]
    if not common:
        raise AnalysisError(
            f"the two have no block with experts in common: {_blocks(trace)} and {_blocks(other)}"
        )
    if min(trace.num_pairs, other.num_pairs) < 2:
        raise AnalysisError("a difference with an interval needs at least two pairs")
    paired = same_pairs(trace, other)
    ours, theirs = _sums(trace), _sums(other)
    rows = []
    for block in common:
        for name, modality, statistic in _measures():
            mine, others = ours[block, name, modality], theirs[block, name, modality]
            if not len(mine) or not len(others):
                continue
            found = _jackknifed(mine, others, statistic, paired, level)
            if np.isfinite(found["difference"]):  # a trace may have no scores of all experts
                rows.append(
                    {"layer": block, "measure": name, "modality": modality, **found}
                    | {"pairs": trace.num_pairs, "paired": paired}
                )
    frame = pd.DataFrame(rows, columns=_ROUTING)
    frame["p_holm"] = holm(frame["p"].to_numpy(float))
    return frame


def _blocks(trace: RoutingTrace) -> str:
    return ", ".join(map(str, trace.layers.tolist())) or "none"


def _measures() -> Iterator[tuple[str, str | None, _Statistic]]:
    yield "modality NMI", None, modality_nmi
    for name in ("token entropy", "drop rate"):
        for modality in MODALITIES:
            yield name, modality, _ratio


def _ratio(sums: Num[np.ndarray, "*b 2"]) -> Float[np.ndarray, "*b"]:
    """A mean from its sum and its count; NaN of nothing."""
    total, count = np.asarray(sums[..., 0], float), np.asarray(sums[..., 1], float)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)


def _sums(trace: RoutingTrace) -> dict[tuple[int, str, str | None], Num[np.ndarray, "N ..."]]:
    """What each measure is made of, pair by pair; of pairs without a modality nothing of it."""
    counts, entropy = pair_counts(trace), token_entropy(trace)
    found: dict[tuple[int, str, str | None], np.ndarray] = {}
    for layer, block in enumerate(trace.layers.tolist()):
        found[block, "modality NMI", None] = counts[layer]
        for code, modality in enumerate(MODALITIES):
            mine = trace.modality == code
            pair = trace.pair[mine]
            tokens = np.bincount(pair, minlength=trace.num_pairs).astype(float)
            for name, values in (
                ("token entropy", entropy[layer, mine]),
                ("drop rate", trace.dropped[layer, mine].mean(axis=1)),
            ):
                total = np.bincount(pair, weights=values, minlength=trace.num_pairs)
                found[block, name, modality] = (
                    np.stack([total, tokens], axis=1) if tokens.any() else np.zeros((0, 2))
                )
    return found


def _pseudo(sums: Num[np.ndarray, "N ..."], statistic: _Statistic) -> Float[np.ndarray, " N"]:
    """The jackknife's pseudo-values, whose mean is the statistic less its bias."""
    count, total = len(sums), sums.sum(axis=0)
    return count * statistic(total) - (count - 1) * statistic(total - sums)


def _jackknifed(
    mine: Num[np.ndarray, "N ..."],
    others: Num[np.ndarray, "M ..."],
    statistic: _Statistic,
    paired: bool,
    level: float,
) -> dict[str, float]:
    one, two = _pseudo(mine, statistic), _pseudo(others, statistic)
    difference = float(one.mean() - two.mean())
    if paired:
        spread, freedom = (one - two).var(ddof=1) / len(one), len(one) - 1.0
    else:  # Welch's
        parts = [each.var(ddof=1) / len(each) for each in (one, two)]
        spread = sum(parts)
        below = sum(part**2 / (len(each) - 1) for part, each in zip(parts, (one, two), strict=True))
        freedom = spread**2 / below if below else 1.0
    error = float(np.sqrt(spread))
    reach = float(t.ppf((1 + level) / 2, freedom)) * error
    if error:
        p = float(2 * t.sf(abs(difference) / error, freedom))
    else:  # no pair tells the two apart, or each does by the same amount
        p = 1.0 if difference == 0 else float("nan")
    return {
        "value": float(one.mean()),
        "other": float(two.mean()),
        "difference": difference,
        "low": difference - reach,
        "high": difference + reach,
        "p": p,
    }
