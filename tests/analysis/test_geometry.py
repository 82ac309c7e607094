from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.cluster import KMeans

import analysis


@pytest.fixture
def apart(trace_of):
    """A trace whose routers see the modalities far apart, and whose routers ignore that."""
    trace = trace_of(pairs=40, hidden=True)
    hidden = trace.hidden.copy()
    hidden[..., 0] += 12.0 * trace.modality - 6.0
    return dataclasses.replace(trace, hidden=hidden)


def value(frame, layer, router, measure="modality NMI"):
    row = frame[
        (frame["layer"] == layer) & (frame["router"] == router) & (frame["measure"] == measure)
    ]
    assert len(row) == 1
    return row.iloc[0]


def test_geometry_alone_separates_modalities_that_lie_apart(apart):
    frame = analysis.sceptics_check(apart, draws=6)
    assert value(frame, 2, "k-means")["value"] > 0.95
    assert value(frame, 2, "random")["value"] > 0.5
    assert value(frame, 2, "trained")["value"] < 0.05


def test_the_trained_router_is_measured_as_everywhere_else(apart):
    frame = analysis.sceptics_check(apart, draws=2)
    nmi = analysis.modality_specialisation(apart, samples=10)
    agreement = analysis.agreement_with_labels(apart).set_index(["layer", "modality", "label"])
    for layer in (2, 4):
        wanted = nmi.loc[nmi["layer"] == layer, "nmi"].item()
        assert value(frame, layer, "trained")["value"] == pytest.approx(wanted)
        found = value(frame, layer, "trained", "AMI with language (text)")["value"]
        assert found == pytest.approx(agreement.loc[(layer, "text", "language"), "ami"])


def test_kmeans_clusters_weigh_modalities_equally(apart):
    frame = analysis.sceptics_check(apart, draws=1)
    count = np.bincount(apart.modality)
    weight = np.where(apart.modality == 0, 1 / count[0], 1 / count[1]) * len(apart.modality) / 2
    clusters = KMeans(4, n_init=1, random_state=0).fit_predict(
        apart.hidden[0].astype(float), sample_weight=weight
    )
    counts = np.zeros((2, 4))
    np.add.at(counts, (apart.modality, clusters), 1)
    assert value(frame, 2, "k-means")["value"] == pytest.approx(analysis.modality_nmi(counts))


def test_without_hidden_states_it_says_how_to_get_them(trace):
    with pytest.raises(analysis.AnalysisError, match="hidden=True"):
        analysis.sceptics_check(trace)
