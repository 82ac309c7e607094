"""Every expert of a layer at a glance: its most certain patches."""

from __future__ import annotations

import pandas as pd

from analysis.preferences import top_patches
from limoe_core.trace import RoutingTrace


def patches_of_experts(
    trace: RoutingTrace, layer: int, count: int = 12, per_pair: int = 1
) -> pd.DataFrame:
    """`analysis.top_patches` of every expert of a layer, with a column expert.

    Raises:
      AnalysisError: if that block is no MoE layer of the trace.
    """
    frames = []
    for expert in range(trace.num_experts):
        frame = top_patches(trace, layer, expert, count=count, per_pair=per_pair)
        frame.insert(0, "expert", expert)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)
