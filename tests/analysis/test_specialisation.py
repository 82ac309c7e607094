from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import normalized_mutual_info_score

import analysis
from analysis.resampling import jackknife

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


def test_the_interval_is_that_of_the_jackknife_on_log_odds(trace_of):
    trace = trace_of(pairs=40, grid=3)
    frame = analysis.modality_specialisation(trace)
    row = frame.iloc[0]
    assert row["low"] < row["corrected"] < row["nmi"] < row["high"]

    def odds(chosen):
        nmi = analysis.modality_nmi(analysis.first_choice_counts(trace.select(chosen))[0])
        return np.log(nmi / (1 - nmi))

    whole = odds(list(range(40)))
    left_out = [odds([pair for pair in range(40) if pair != one]) for one in range(40)]
    centre = 40 * whole - 39 * np.mean(left_out)
    spread = np.sqrt(39 / 40 * np.sum((left_out - np.mean(left_out)) ** 2))
    low, high = (1 / (1 + np.exp(-(centre + sign * 2.0227 * spread))) for sign in (-1, 1))
    assert row["low"] == pytest.approx(low, rel=1e-4)
    assert row["high"] == pytest.approx(high, rel=1e-4)
    wider = analysis.modality_specialisation(trace, level=0.99).iloc[0]
    assert wider["low"] < row["low"]


def test_one_pair_has_no_interval(trace):
    frame = analysis.modality_specialisation(trace.select([0]))
    assert frame["nmi"].notna().all()
    assert frame[["corrected", "low", "high"]].isna().all(axis=None)


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
    assert frame.drop(columns=["role", "role_recurs"]).equals(shares)


def test_a_dead_expert_gets_a_tenth_of_an_even_share_whatever_their_number():
    assert analysis.role(0.011, 0.0, experts=8) == "dead"
    assert analysis.role(0.011, 0.0, experts=128) == "image"
    assert analysis.role(0.0007, 0.0007, experts=128) == "dead"
    assert analysis.role(0.0009, 0.0009, experts=128) == "mixed"


def test_all_choices_count(trace_of):
    """Of 128 experts that share all choices evenly, none is dead."""
    trace = trace_of(pairs=40, experts=128, top_k=8, grid=8, layers=1)
    frame = analysis.roles(trace, samples=20)
    counts = np.zeros((2, 128), int)
    for token in range(trace.num_tokens):
        for choice in range(8):
            counts[trace.modality[token], trace.expert[0, token, choice]] += 1
    assert frame["image_tokens"].tolist() == counts[0].tolist()
    assert frame["text_tokens"].tolist() == counts[1].tolist()
    assert (analysis.choice_counts(trace)[0] == counts).all()
    assert not (frame["role"] == "dead").any()
    assert frame["image_share"].sum() == pytest.approx(1)
    assert analysis.first_choice_counts(trace).sum() == trace.num_tokens


def test_a_role_says_how_often_it_recurs(trace_of):
    trace = trace_of(3, pairs=30, layers=1)
    frame = analysis.roles(trace, samples=300)
    rng = np.random.default_rng(7)
    again = [
        analysis.roles(trace.select(rng.integers(30, size=30)), samples=1)["role"]
        for _ in range(300)
    ]
    by_hand = np.mean([(one == frame["role"]).to_numpy() for one in again], axis=0)
    assert frame["role_recurs"].to_numpy() == pytest.approx(by_hand, abs=0.15)


def test_a_value_of_0_or_1_has_no_interval():
    apart = np.repeat(np.array([[[9, 9, 0, 0], [0, 0, 2, 3]]]), 20, axis=0)
    for counts, value in ((apart, 1.0), (np.ones_like(apart), 0.0)):
        corrected, low, high = jackknife(counts, analysis.modality_nmi)
        assert corrected == pytest.approx(value)
        assert np.isnan(low)
        assert np.isnan(high)


def clustered_counts(rng: np.random.Generator, pairs: int, by_modality: np.ndarray) -> np.ndarray:
    """Tokens by pair, modality and expert, where those of a pair go where the pair's others go."""
    image, text = (
        np.array([rng.multinomial(n, rng.dirichlet(3 * share + 1e-9)) for n in tokens])
        for share, tokens in zip(
            by_modality, (np.full(pairs, 64), 1 + rng.poisson(3.6, pairs)), strict=True
        )
    )
    return np.stack([image, text], axis=1)


@pytest.mark.parametrize("pairs", [64, 1000])
def test_intervals_cover_the_true_specialisation(pairs):
    """In 200 simulations; bootstrap quantiles cover it in 70 to 90 % at 64 pairs."""
    rng = np.random.default_rng(0)
    shares = np.array([[0.3, 0.3, 0.3, 0.1, 0, 0, 0, 0], [0, 0, 0, 0.1, 0.2, 0.3, 0.2, 0.2]])
    shares = 0.97 * shares + 0.03 / 8
    true = analysis.modality_nmi(shares)
    covered = []
    for _ in range(200):
        corrected, low, high = jackknife(
            clustered_counts(rng, pairs, shares), analysis.modality_nmi
        )
        assert low < corrected < high
        covered.append(low <= true <= high)
    assert 0.89 <= np.mean(covered) <= 0.99
