"""Numbers and figures from routing traces and runs.

    from limoe_lens import analysis  # in a clone, `import analysis` does as well
    frame = analysis.to_frame(trace)

Who routes what: `roles(trace)`, `modality_specialisation(trace)`, `routing_divergence(trace)`,
`coactivation(trace)`, `expert_paths(trace, "image")`, `agreement_with_labels(trace)`,
`expert_preferences(trace, layer, "category", "image")`.
What the inputs give by themselves: `sceptics_check(trace)` and `routing_overlap(trace)`, of
`model.trace(images, texts, hidden=True)`.
What experts and routers do to the loss: `causal_specialisation(model, images, texts)`,
`experts_removed(model, images, texts)`, `gate_swap(model, donor, images, texts)`,
`routing_regret(model, images, texts)`.
Of a step that `evaluate --experts` measured: all of the first, of `run.experts(step).trace`, and
`specialisation_baselines`, `measured_health`, `measured_causes` and `measured_removal` of
`run.experts(step)`.
Of two runs: `compare_accuracies(answers, others)`.

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
        accuracy_of_answers,
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
        measured_causes,
        specialisation_index,
    )
    from analysis.chosen_together import coactivation
    from analysis.colours import expert_colour, expert_label, expert_pattern, text_colour
    from analysis.comparison import compare_accuracies, paired_answers
    from analysis.differences import routing_differences
    from analysis.divergence import jensen_shannon, routing_divergence
    from analysis.emergence import (
        health_over_steps,
        metrics_frame,
        probe_traces,
        shares_over_steps,
        specialisation_over_steps,
    )
    from analysis.errors import AnalysisError
    from analysis.frame import join_runs, readable, to_frame
    from analysis.gap import modality_gap, points_gap
    from analysis.geometry import sceptics_check
    from analysis.interventions import intervention, intervention_effects, ranked, rerouted
    from analysis.kept_causes import recorded_causes
    from analysis.kept_maps import cached_embedding_map
    from analysis.labels import token_labels
    from analysis.maps import axes_map, embedding_map, map_frame
    from analysis.measured import measured_health, specialisation_baselines
    from analysis.onset import specialisation_onset
    from analysis.overlap import routing_overlap
    from analysis.pairs import data_pairs, probe_pairs, with_pair
    from analysis.paths import expert_paths, transitions
    from analysis.picture_sets import data_pictures, example_pictures, probe_pictures
    from analysis.points import (
        Points,
        added_points,
        embedded_points,
        nearest_points,
        pair_points,
        pair_rows,
        same_pairs,
        token_points,
    )
    from analysis.positions import places_beyond, position_frame, position_map
    from analysis.preferences import expert_preferences, top_patches, top_pieces
    from analysis.recipes import Recorded, python, record
    from analysis.regret import regret_summary, routing_regret, token_routes
    from analysis.removal import experts_removed, measured_removal
    from analysis.saturation import router_saturation
    from analysis.scripts import script
    from analysis.shares import (
        balanced_shares,
        choice_counts,
        expert_shares,
        first_choice_counts,
        router_health,
        top_experts,
    )
    from analysis.similarity import pair_similarity
    from analysis.slices import (
        slice_elsewhere,
        slice_pairs,
        slice_points,
        slice_predictions,
        slice_trace,
        slice_traces,
    )
    from analysis.specialisation import modality_nmi, modality_specialisation, role, roles
    from analysis.swaps import gate_swap
    from analysis.timeline import timeline_frame
    from analysis.training import (
        training_frame,
        training_routers,
        training_rows,
        training_summary,
    )
    from analysis.trust import map_agreement
    from analysis.words import top_words, words_of_experts

_HOME = {
    "AnalysisError": "errors",
    "Points": "points",
    "Recorded": "recipes",
    "accuracy_difference": "accuracy",
    "accuracy_frame": "accuracy",
    "accuracy_of_answers": "accuracy",
    "added_points": "points",
    "agreement_with_labels": "agreement",
    "answers_frame": "accuracy",
    "axes_map": "maps",
    "balanced_shares": "shares",
    "cached_causal_specialisation": "causal",
    "cached_embedding_map": "kept_maps",
    "category_confusions": "accuracy",
    "causal_specialisation": "causal",
    "choice_counts": "shares",
    "coactivation": "chosen_together",
    "compare_accuracies": "comparison",
    "confusions": "accuracy",
    "data_pairs": "pairs",
    "data_pictures": "picture_sets",
    "embedded_points": "points",
    "embedding_map": "maps",
    "example_pictures": "picture_sets",
    "expert_colour": "colours",
    "expert_label": "colours",
    "expert_paths": "paths",
    "expert_pattern": "colours",
    "expert_preferences": "preferences",
    "expert_shares": "shares",
    "experts_removed": "removal",
    "first_choice_counts": "shares",
    "gate_swap": "swaps",
    "health_over_steps": "emergence",
    "intervention": "interventions",
    "intervention_effects": "interventions",
    "jensen_shannon": "divergence",
    "join_runs": "frame",
    "map_agreement": "trust",
    "map_frame": "maps",
    "measured_causes": "causal",
    "measured_health": "measured",
    "measured_removal": "removal",
    "metrics_frame": "emergence",
    "modality_gap": "gap",
    "modality_nmi": "specialisation",
    "modality_specialisation": "specialisation",
    "nearest_points": "points",
    "pair_points": "points",
    "pair_rows": "points",
    "pair_similarity": "similarity",
    "paired_answers": "comparison",
    "places_beyond": "positions",
    "points_gap": "gap",
    "position_frame": "positions",
    "position_map": "positions",
    "probe_pairs": "pairs",
    "probe_pictures": "picture_sets",
    "probe_traces": "emergence",
    "python": "recipes",
    "ranked": "interventions",
    "readable": "frame",
    "record": "recipes",
    "recorded_causes": "kept_causes",
    "regret_summary": "regret",
    "rerouted": "interventions",
    "retrieval_frame": "accuracy",
    "role": "specialisation",
    "roles": "specialisation",
    "router_health": "shares",
    "router_saturation": "saturation",
    "routing_differences": "differences",
    "routing_divergence": "divergence",
    "routing_overlap": "overlap",
    "routing_regret": "regret",
    "same_pairs": "points",
    "sceptics_check": "geometry",
    "script": "scripts",
    "shares_over_steps": "emergence",
    "slice_elsewhere": "slices",
    "slice_pairs": "slices",
    "slice_points": "slices",
    "slice_predictions": "slices",
    "slice_trace": "slices",
    "slice_traces": "slices",
    "specialisation_baselines": "measured",
    "specialisation_index": "causal",
    "specialisation_onset": "onset",
    "specialisation_over_steps": "emergence",
    "text_colour": "colours",
    "timeline_frame": "timeline",
    "to_frame": "frame",
    "token_labels": "labels",
    "token_points": "points",
    "token_routes": "regret",
    "top_experts": "shares",
    "top_patches": "preferences",
    "top_pieces": "preferences",
    "top_words": "words",
    "training_alarms": "alarms",
    "training_frame": "training",
    "training_routers": "training",
    "training_rows": "training",
    "training_summary": "training",
    "transitions": "paths",
    "with_pair": "pairs",
    "words_of_experts": "words",
}

__all__ = sorted(_HOME)

if not TYPE_CHECKING:  # to a type checker a misspelt name would be of any type

    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module 'analysis' has no attribute {name!r}")
        return getattr(importlib.import_module(f"analysis.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
