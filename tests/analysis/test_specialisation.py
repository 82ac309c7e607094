from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import normalized_mutual_info_score

import analysis

COUNTS = hnp.arrays(
    np.int64, st.tuples(st.just(2), st.integers(2, 8)), elements=st.integers(0, 50)
).filter(lambda c: (c.sum(1) > 0).all())


def labels_with_equal_modalities(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Token labels in which both modalities have equally many tokens, shares kept exactly."""
    totals = counts.sum(1)
    repeated = counts * totals[::-1, None]
    modality = np.repeat([0, 1], repeated.sum(1))
    expert = np.concatenate([np.repeat(np.arange(counts.shape[1]), row) for row in repeated])
    return modality, expert


@given(COUNTS)
def test_nmi_agrees_with_scikit_learn(counts):
    modality, expert = labels_with_equal_modalities(counts)
    if len(set(expert)) == 1:
        assert analysis.modality_nmi(counts) == 0
    else:
        wanted = normalized_mutual_info_score(modality, expert, average_method="min")
        assert analysis.modality_nmi(counts) == pytest.approx(wanted, abs=1e-7)


@given(COUNTS, st.randoms())
def test_nmi_is_between_0_and_1_and_blind_to_names_and_base_rates(counts, random):
    nmi = analysis.modality_nmi(counts)
    assert 0 <= nmi <= 1
    order = list(range(counts.shape[1]))
    random.shuffle(order)
    assert analysis.modality_nmi(counts[:, order]) == pytest.approx(nmi, abs=1e-9)
    assert analysis.modality_nmi(counts[::-1]) == pytest.approx(nmi, abs=1e-9)
    more_images = counts * np.array([[7], [1]])
    assert analysis.modality_nmi(more_images) == pytest.approx(nmi, abs=1e-9)


def test_nmi_of_the_plain_cases():
    assert analysis.modality_nmi(np.array([[5, 5, 0, 0], [0, 0, 3, 3]])) == pytest.approx(1)
    assert analysis.modality_nmi(np.array([[5, 5], [3, 3]])) == pytest.approx(0)
    assert np.isnan(analysis.modality_nmi(np.array([[5, 5], [0, 0]])))


def test_interval_resamples_pairs_and_holds_the_estimate(trace_of):
    trace = trace_of(pairs=40, grid=3)
    frame = analysis.modality_specialisation(trace, samples=400)
    assert (frame["low"] < frame["high"]).all()
    # Resampling adds noise, and noise can only add information: the estimate may lie below.
    assert (frame["nmi"] <= frame["high"]).all()
    again = analysis.modality_specialisation(trace, samples=400)
    assert frame.equals(again)
    rng = np.random.default_rng(1)
    by_hand = []
    for _ in range(400):
        chosen = trace.select(rng.integers(40, size=40))
        by_hand.append(analysis.modality_nmi(analysis.first_choice_counts(chosen)[0]))
    low, high = np.quantile(by_hand, [0.025, 0.975])
    width = high - low
    assert frame["low"][0] == pytest.approx(low, abs=0.25 * width)
    assert frame["high"][0] == pytest.approx(high, abs=0.25 * width)


@pytest.mark.parametrize(
    ("image", "text", "role"),
    [
        (0.30, 0.02, "image"),
        (0.02, 0.30, "text"),
        (0.30, 0.30, "mixed"),
        (0.30, 0.08, "mixed"),
        (0.30, 0.05, "leaning image"),
        (0.05, 0.30, "leaning text"),
        (0.01, 0.0, "dead"),
        (0.0, 0.0, "dead"),
        (0.02, 0.0, "image"),
    ],
)
def test_roles(image, text, role):
    assert analysis.role(image, text) == role


def test_roles_frame_holds_the_shares(trace):
    frame = analysis.roles(trace)
    shares = analysis.expert_shares(trace)
    assert frame.drop(columns="role").equals(shares)
