"""Numbers and figures from routing traces and runs.

    from limoe_lens import analysis  # in a clone, `import analysis` does as well
    frame = analysis.to_frame(trace)

Every name below is loaded when it is first used, so that importing the package costs nothing.
"""

# ruff: noqa: F401
from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what type checkers and editors see; a test holds it equal to the table below
    from analysis.accuracy import (
        accuracy_difference,
        accuracy_frame,
        answers_frame,
        category_confusions,
        confusions,
        retrieval_frame,
    )
    from analysis.agreement import agreement_with_labels
    from analysis.alarms import training_alarms
    from analysis.causal import (
        cached_causal_specialisation,
        causal_specialisation,
        specialisation_index,
    )
    from analysis.colours import expert_colour, expert_label, text_colour
    from analysis.differences import accuracy_differences, routing_differences, same_pairs
    from analysis.emergence import (
        health_over_steps,
        metrics_frame,
        probe_traces,
        shares_over_steps,
        specialisation_over_steps,
    )
    from analysis.errors import AnalysisError
    from analysis.frame import join_runs, readable, to_frame
    from analysis.geometry import sceptics_check
    from analysis.labels import token_labels
    from analysis.pairs import data_pairs, probe_pairs
    from analysis.paths import expert_paths, transitions
    from analysis.picture_sets import data_pictures, probe_pictures
    from analysis.preferences import (
        expert_preferences,
        position_frame,
        position_map,
        top_patches,
        top_pieces,
        top_words,
    )
    from analysis.recipes import Recorded, python, record
    from analysis.saturation import router_saturation
    from analysis.scripts import script
    from analysis.shares import (
        balanced_shares,
        choice_counts,
        expert_shares,
        first_choice_counts,
        router_health,
    )
    from analysis.specialisation import modality_nmi, modality_specialisation, role, roles
    from analysis.timeline import timeline_frame
    from analysis.training import (
        training_frame,
        training_routers,
        training_rows,
        training_summary,
    )

_HOME = {
    "AnalysisError": "errors",
    "Recorded": "recipes",
    "accuracy_difference": "accuracy",
    "accuracy_differences": "differences",
    "accuracy_frame": "accuracy",
    "agreement_with_labels": "agreement",
    "answers_frame": "accuracy",
    "balanced_shares": "shares",
    "cached_causal_specialisation": "causal",
    "category_confusions": "accuracy",
    "causal_specialisation": "causal",
    "choice_counts": "shares",
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
    "routing_differences": "differences",
    "router_saturation": "saturation",
    "same_pairs": "differences",
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
    "training_alarms": "alarms",
    "training_frame": "training",
    "training_routers": "training",
    "training_rows": "training",
    "training_summary": "training",
    "transitions": "paths",
}

__all__ = sorted(_HOME)

if not TYPE_CHECKING:  # to a type checker a misspelt name would be of any type

    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module 'analysis' has no attribute {name!r}")
        return getattr(importlib.import_module(f"analysis.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
