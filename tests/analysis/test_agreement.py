from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import adjusted_mutual_info_score

import analysis


def with_experts(trace, chosen):
    """The same trace, but every layer's router chose these experts."""
    expert = np.broadcast_to(chosen[None, :, None], trace.expert.shape).astype(np.int16)
    return dataclasses.replace(trace, expert=expert)


def test_a_router_that_sorts_by_category_agrees_with_it_and_with_nothing_else(trace_of):
    trace = trace_of(pairs=60)
    category = np.unique(trace.meta["category"], return_inverse=True)[1]
    sorted_trace = with_experts(trace, category[trace.pair])
    frame = analysis.agreement_with_labels(sorted_trace).set_index(["layer", "modality", "label"])
    assert frame.loc[(2, "image", "category"), "ami"] == pytest.approx(1)
    assert frame.loc[(2, "text", "category"), "ami"] == pytest.approx(1)
    assert abs(frame.loc[(2, "image", "position"), "ami"]) < 0.03
    for modality, by in (("image", "position"), ("text", "script"), ("text", "language")):
        code = ["image", "text"].index(modality)
        mask = trace.modality == code
        wanted = adjusted_mutual_info_score(
            analysis.token_labels(trace, by)[mask], category[trace.pair][mask]
        )
        assert frame.loc[(4, modality, by), "ami"] == pytest.approx(wanted)
        assert frame.loc[(4, modality, by), "tokens"] == mask.sum()


def test_chance_gives_nothing_even_for_many_labels(trace_of):
    frame = analysis.agreement_with_labels(trace_of(1, pairs=200), samples=0)
    assert frame["ami"].abs().max() < 0.05


def test_a_collapsed_router_agrees_with_nothing(trace):
    frame = analysis.agreement_with_labels(with_experts(trace, np.zeros(trace.num_tokens, int)))
    assert (frame["ami"] == 0).all()
