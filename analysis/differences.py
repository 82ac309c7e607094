"""Two runs, or two steps of one, compared: differences with intervals, and many of them at once.

Every interval here is about the pairs or concepts that were looked at. What another seed would give
is not in it: two runs of one seed each show how these two differ, and not that what they were
trained with makes the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Integer, Num
from scipy.stats import t

from analysis.accuracy import accuracy_difference
from analysis.arguments import check_share, check_trace
from analysis.errors import AnalysisError
from analysis.frame import token_entropy
from analysis.shares import pair_counts
from analysis.specialisation import modality_nmi
from limoe_core.runs.predictions import Predictions
from limoe_core.trace import MODALITIES, RoutingTrace

#: Random flips of the sign test's clusters.
FLIPS = 9999

_ROUTING = [
    "layer", "measure", "modality", "value", "other", "difference", "low", "high", "p", "p_holm",
    "pairs", "paired",
]  # fmt: skip
_ACCURACY = [
    "task", "split", "data", "language", "k", "value", "other", "difference", "low", "high", "p",
    "p_holm", "n", "concepts",
]  # fmt: skip

_Statistic = Callable[[Num[np.ndarray, "*b 2 E"]], Float[np.ndarray, "*b"]]


def holm(p: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """P values corrected for as many looks as there are, by Holm's method; NaN stays, uncounted.

    Among those below 0.05 then, the chance that even one is a chance finding is at most 5 %.
    """
    p = np.asarray(p, np.float64)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    found = np.full(p.shape, np.nan)
    found[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return found


# ---- routing


def same_pairs(trace: RoutingTrace, other: RoutingTrace) -> bool:
    """Whether two traces are of the same pairs in the same order, as far as they tell."""
    return bool(
        trace.num_pairs == other.num_pairs
        and np.array_equal(trace.captions, other.captions)
        and np.array_equal(trace.meta.get("concept"), other.meta.get("concept"))
        and np.array_equal(trace.meta.get("style"), other.meta.get("style"))
    )


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
            rows.append(
                {"layer": block, "measure": name, "modality": modality}
                | _jackknifed(mine, others, statistic, paired, level)
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


# ---- accuracy


class AnsweredRun(Protocol):
    """The part of a `limoe_core.runs.directory.Run` that is read here."""

    def evaluations(self) -> dict[str, dict[str, Any]]: ...
    def predictions(self, task: str, step: int) -> Predictions: ...
    def has(self, part: Any, step: int | None = None, task: str = "") -> bool: ...


def accuracy_differences(
    run: AnsweredRun, step: int, other: AnsweredRun, other_step: int
) -> pd.DataFrame:
    """Zero-shot accuracy of one run less that of another, on the same pictures, task by task.

    Each picture is answered by both, so the difference is paired: intervals resample concepts and
    keep both answers together, as `analysis.accuracy_difference`. P values flip the signs of whole
    concepts at random (a paired permutation test).

    Returns: one row per task that both answered about the same pictures, language ("mean" over all
      languages, and the first one) and k, with columns task, split, data, language, k, value and
      other (accuracies), difference, low, high (95 %), p, p_holm (corrected for all rows), n
      (pictures), concepts.
    """
    rows = []
    for task in sorted(run.evaluations()):
        if not (
            task.startswith("zero_shot_")
            and run.has("predictions", step, task)
            and other.has("predictions", other_step, task)
        ):
            continue
        mine, others = run.predictions(task, step), other.predictions(task, other_step)
        if _alike(mine, others):
            rows += [_difference(task, mine, others, *look) for look in _looks(mine)]
    frame = pd.DataFrame(rows, columns=_ACCURACY)
    frame["p_holm"] = holm(frame["p"].to_numpy(float))
    return frame


def _alike(mine: Predictions, others: Predictions) -> bool:
    names = ("data", "split", "picture", "concept", "languages")
    return all(np.array_equal(getattr(mine, name), getattr(others, name)) for name in names)


def _looks(predictions: Predictions) -> Iterator[tuple[str | None, int]]:
    languages = predictions.languages.tolist()
    for language in (languages[0], *([None] if len(languages) > 1 else [])):
        for k in (1, 5):
            yield language, k


def _difference(
    task: str, mine: Predictions, others: Predictions, language: str | None, k: int
) -> dict[str, Any]:
    rows = slice(None) if language is None else [mine.languages.tolist().index(language)]
    right, wrong = (each.ranks[rows] < k for each in (mine, others))
    found = accuracy_difference(mine, others, language, k)
    return {
        "task": task,
        "split": str(mine.split),
        "data": str(mine.data),
        "language": "mean" if language is None else language,
        "k": k,
        "value": float(right.mean()),
        "other": float(wrong.mean()),
        **dict(zip(("difference", "low", "high"), found, strict=True)),
        "p": sign_test(right, wrong, mine.concept),
        "n": len(mine.picture),
        "concepts": len(np.unique(mine.concept)),
    }


def sign_test(
    right: Bool[np.ndarray, "L n"],
    others: Bool[np.ndarray, "L n"],
    cluster: Integer[np.ndarray, " n"],
    *,
    flips: int = FLIPS,
    seed: int = 0,
) -> float:
    """Two-sided p value of no difference between two sets of answers to the same n pictures.

    Were both models alike, each cluster's gain could as well have been its loss.

    Args:
      right, others: which answers are right, in L languages.
      cluster: what is independent: the picture's concept.
    """
    gained = right.mean(axis=0) - others.mean(axis=0)
    _, number = np.unique(cluster, return_inverse=True)
    gains = np.bincount(number, weights=gained)
    gains = gains[gains != 0]
    if not len(gains):
        return 1.0
    rng = np.random.default_rng(seed)
    signs = rng.integers(0, 2, (flips, len(gains)), dtype=np.int8) * 2 - 1
    reached = np.abs(signs @ gains) >= abs(gains.sum()) - 1e-9
    return float((1 + reached.sum()) / (1 + flips))
