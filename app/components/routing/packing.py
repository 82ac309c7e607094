"""What routers chose for one pair, as packed numbers for the browser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.frame import distribution, token_entropy
from app.components import Packed
from limoe_core.trace import RoutingTrace

#: Of 16-bit numbers that stand for shares from 0 to 1; entropies are in thousandths of a nat.
FINE, COARSE, MILLI = 65_535, 255, 1_000


def of_layers(trace: RoutingTrace, layers: Sequence[int], *, fine: bool) -> dict[str, Any]:
    """The choices in some layers; what the trace does not have is None.

    Args:
      layers: indices among the trace's layers.
      fine: gates to 1/65,535 and the scores of all experts; otherwise gates to 1/255 and no scores.
    """
    which = list(layers)
    steps = FINE if fine else COARSE
    kind = np.uint16 if fine else np.uint8
    scaling = 1.0 if trace.routers is None else trace.routers.scaling
    expert = trace.expert[which].astype(np.int64)
    wide = trace.num_experts >= COARSE
    none = FINE if wide else COARSE
    gate, dropped = None, trace.dropped[which]
    if trace.gate is not None:
        shares = (trace.gate[which].astype(np.float64) / scaling).clip(0, 1)
        gate = Packed.of(np.round(shares * steps).astype(kind))
    return {
        "layers": which,
        "wide": wide,
        "steps": steps,
        "expert": Packed.of(
            np.where(expert < 0, none, expert).astype(np.uint16 if wide else np.uint8)
        ),
        "gate": gate,
        "dropped": Packed.of(dropped.astype(np.uint8)) if dropped.any() else None,
        "scores": _scores(trace, which) if fine and trace.probs is not None else None,
        "entropy": _entropy(trace, which),
    }


def first_choices(trace: RoutingTrace) -> Packed:
    """The first choice of every token in every layer: 255, or 65,535 of many experts, for none."""
    wide = trace.num_experts >= COARSE
    first = trace.expert[..., 0].astype(np.int64)
    kind = np.uint16 if wide else np.uint8
    return Packed.of(np.where(first < 0, FINE if wide else COARSE, first).astype(kind))


def _scores(trace: RoutingTrace, layers: list[int]) -> Packed:
    assert trace.probs is not None
    scores = trace.probs[layers].astype(np.float64).clip(0, 1)
    return Packed.of(np.round(scores * FINE).astype(np.uint16))


def _entropy(trace: RoutingTrace, layers: list[int]) -> Packed | None:
    if trace.probs is None:
        return None
    if len(layers) == trace.num_layers:
        entropy = token_entropy(trace)
    else:
        from scipy.special import entr

        entropy = np.stack([entr(distribution(trace, each)).sum(axis=-1) for each in layers])
    return Packed.of(np.round(np.nan_to_num(entropy) * MILLI).astype(np.uint16))
