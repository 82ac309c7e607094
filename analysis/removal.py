"""Loss and accuracy with more and more experts off, for one modality at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from analysis.arguments import check_count, check_pairs
from analysis.errors import AnalysisError
from limoe_core.evaluation.halves import Halves
from limoe_core.evaluation.removal import ORDERS, remove
from limoe_core.trace import MODALITIES

if TYPE_CHECKING:
    from limoe_core.inference import LoadedModel
    from limoe_core.runs.experts import ExpertRecord, Removal

#: Orders in which experts are removed, as figures list them.
NEEDED, RANDOM = "most needed first", "random order"


def experts_removed(
    model: LoadedModel,
    images: Sequence[Any],
    texts: Sequence[str],
    *,
    orders: int = ORDERS,
    samples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Loss and accuracy against the number of experts that are off, best-first and at random.

    Tokens of one modality go to the best expert that is left; each layer keeps as many experts as a
    token chooses. How much an expert is needed is measured on the first half of the pairs, and all
    else on the second half, so that no expert looks needed by luck.

    Args:
      images, texts: at least eight pairs; no text twice, since its pictures would be false
        negatives.
      orders: random orders, which are what "most needed first" is compared with.
      samples: bootstrap resamples of pairs for the intervals.

    Returns: one row per modality, order and number of experts, with columns modality (whose tokens
      feel it), order ("most needed first" or "random order", the mean over so many), removed
      (experts off, over all layers), loss (in nats), loss_low, loss_high (95 % over pairs, the
      negatives of each held fixed; of random orders over pairs and orders), top1 (pictures whose
      own text is nearest among all texts), top1_low, top1_high, chance_loss (ln n), chance_top1
      (1/n), pairs.

    Raises:
      AnalysisError: for a dense twin, fewer than eight pairs, a repeated text, not as many pictures
        as texts, or `orders` or `samples` below 1.
    """
    check_pairs(images, texts)
    check_count(orders, "orders")
    check_count(samples, "samples")
    if not model.config.model.moe_layers:
        raise AnalysisError("a dense twin has no experts to remove")
    if len(texts) < 8 or len(set(texts)) < len(texts):
        raise AnalysisError("removing experts needs at least eight pairs, and no text twice")
    found = remove(Halves.of(model, images, texts), orders=orders, seed=seed)
    return _frame(found, samples, seed)


def measured_removal(measured: ExpertRecord, *, samples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """`experts_removed` as `evaluate --experts` measured it and the run keeps it.

    Args:
      measured: from `run.experts(step)`.

    Raises:
      AnalysisError: `samples` is below 1.
    """
    check_count(samples, "samples")
    return _frame(measured.removal, samples, seed)


def _frame(found: Removal, samples: int, seed: int) -> pd.DataFrame:
    pairs = found.losses.shape[-1]
    rows = []
    for code, modality in enumerate(MODALITIES):
        for order, which in ((NEEDED, slice(1)), (RANDOM, slice(1, None))):
            for step, removed in enumerate(found.removed.tolist()):
                row: dict[str, object] = {"modality": modality, "order": order, "removed": removed}
                for name, values in (("loss", found.losses), ("top1", found.right)):
                    mine = values[code, which, step].astype(np.float64)
                    low, high = _interval(mine, samples, seed)
                    row |= {name: float(mine.mean()), f"{name}_low": low, f"{name}_high": high}
                row |= {"chance_loss": float(np.log(pairs)), "chance_top1": 1 / pairs}
                rows.append({**row, "pairs": pairs})
    return pd.DataFrame(rows)


def _interval(values: Float[np.ndarray, "O M"], samples: int, seed: int) -> tuple[float, float]:
    """95 % of the means over resamples of pairs, and of orders where there are several."""
    rng = np.random.default_rng(seed)
    orders, pairs = values.shape
    of_pairs = rng.multinomial(pairs, np.full(pairs, 1 / pairs), size=samples) / pairs
    of_orders = rng.multinomial(orders, np.full(orders, 1 / orders), size=samples) / orders
    means = np.einsum("so,om,sm->s", of_orders, values, of_pairs)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
