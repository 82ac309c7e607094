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
    "Recorded": "recipes",
    "accuracy_difference": "accuracy",
    "accuracy_frame": "accuracy",
    "agreement_with_labels": "agreement",
    "answers_frame": "accuracy",
    "balanced_shares": "shares",
    "cached_causal_specialisation": "causal",
    "category_confusions": "accuracy",
    "causal_specialisation": "causal",
    "confusions": "accuracy",
    "data_pairs": "pairs",
    "data_pictures": "picture_sets",
    "expert_colour": "colours",
    "expert_label": "colours",
    "expert_paths": "paths",
    "expert_preferences": "preferences",
    "expert_shares": "shares",
    "first_choice_counts": "shares",
    "health_over_steps": "emergence",
    "join_runs": "frame",
    "metrics_frame": "emergence",
    "modality_nmi": "specialisation",
    "modality_specialisation": "specialisation",
    "position_frame": "preferences",
    "position_map": "preferences",
    "probe_pairs": "pairs",
    "probe_pictures": "picture_sets",
    "probe_traces": "emergence",
    "python": "recipes",
    "readable": "frame",
    "record": "recipes",
    "retrieval_frame": "accuracy",
    "role": "specialisation",
    "roles": "specialisation",
    "router_health": "shares",
    "router_saturation": "saturation",
    "sceptics_check": "geometry",
    "script": "scripts",
    "shares_over_steps": "emergence",
    "specialisation_index": "causal",
    "specialisation_over_steps": "emergence",
    "text_colour": "colours",
    "timeline_frame": "timeline",
    "to_frame": "frame",
    "token_labels": "labels",
    "top_patches": "preferences",
    "top_pieces": "preferences",
    "top_words": "preferences",
    "training_routers": "emergence",
    "transitions": "paths",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}")
    return getattr(importlib.import_module(f"analysis.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_HOME)
