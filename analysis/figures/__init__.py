"""Plotly figures of the frames that `analysis` makes."""

from __future__ import annotations

from analysis.figures.accuracy import accuracy_figure, confusion_figure, tasks_figure
from analysis.figures.classification import classification_figure, similarity_figure
from analysis.figures.differences import differences_figure
from analysis.figures.embeddings import embedding_figure, gap_figure
from analysis.figures.interventions import effects_figure, routes_figure
from analysis.figures.layers import name_layers
from analysis.figures.preferences import paths_figure, position_figure, preference_figure
from analysis.figures.recorded_causes import recorded_causes_figure
from analysis.figures.routes import (
    coactivation_figure,
    divergence_figure,
    gate_swap_figure,
    overlap_figure,
    regret_figure,
    removal_figure,
)
from analysis.figures.shares import (
    composition_figure,
    emergence_figure,
    roles_figure,
    shares_figure,
    shares_heat_figure,
    shares_over_steps_figure,
)
from analysis.figures.specialisation import (
    agreement_figure,
    causal_figure,
    sceptic_figure,
    specialisation_figure,
)
from analysis.figures.timeline import timeline_figure
from analysis.figures.training import loads_figure, training_figure

__all__ = [
    "accuracy_figure",
    "agreement_figure",
    "causal_figure",
    "classification_figure",
    "coactivation_figure",
    "composition_figure",
    "confusion_figure",
    "differences_figure",
    "divergence_figure",
    "effects_figure",
    "embedding_figure",
    "emergence_figure",
    "gap_figure",
    "gate_swap_figure",
    "loads_figure",
    "name_layers",
    "overlap_figure",
    "paths_figure",
    "position_figure",
    "preference_figure",
    "recorded_causes_figure",
    "regret_figure",
    "removal_figure",
    "roles_figure",
    "routes_figure",
    "sceptic_figure",
    "shares_figure",
    "shares_heat_figure",
    "shares_over_steps_figure",
    "similarity_figure",
    "specialisation_figure",
    "tasks_figure",
    "timeline_figure",
    "training_figure",
]
