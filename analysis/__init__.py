"""Numbers and figures from routing traces and runs.

    import analysis
    frame = analysis.to_frame(trace)

Every name below is loaded when it is first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "AnalysisError": "errors",
    "balanced_shares": "shares",
    "expert_colour": "colours",
    "expert_label": "colours",
    "expert_shares": "shares",
    "first_choice_counts": "shares",
    "health_over_steps": "emergence",
    "metrics_frame": "emergence",
    "modality_nmi": "specialisation",
    "probe_traces": "emergence",
    "role": "specialisation",
    "roles": "specialisation",
    "router_health": "shares",
    "router_saturation": "saturation",
    "shares_over_steps": "emergence",
    "modality_specialisation": "specialisation",
    "specialisation_over_steps": "emergence",
    "text_colour": "colours",
    "to_frame": "frame",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}")
    return getattr(importlib.import_module(f"analysis.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_HOME)
