"""Conclusions follow the numbers: other numbers, other sentences."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

import analysis
from analysis import conclusions


def separation(value: float, low: float, high: float) -> pd.DataFrame:
    return pd.DataFrame(
        {"layer": [2], "nmi": [value], "corrected": [value], "low": [low], "high": [high]}
    )


def baselines(**values: float) -> pd.DataFrame:
    return pd.DataFrame(
        [(2, name, value, value, value) for name, value in values.items()],
        columns=["layer", "router", "nmi", "low", "high"],
    )


def test_separation_is_claimed_over_every_baseline_or_not_at_all() -> None:
    mine = separation(0.8, 0.7, 0.9)
    above, so = conclusions.on_separation(mine, baselines(start=0.1, random=0.2))
    assert "more than start (0.10) and random (0.20)" in above
    assert so == "So in block 2 the modalities are separated more than by any of these."
    mixed, so = conclusions.on_separation(mine, baselines(start=0.75, kmeans=0.95, random=0.2))
    assert "more than random (0.20)" in mixed
    assert "not told apart from start (0.75)" in mixed
    assert "less than kmeans (0.95)" in mixed
    assert so.startswith("So in no block")


def test_separation_without_interval_or_baseline_claims_nothing() -> None:
    (only,) = conclusions.on_separation(separation(1.0, np.nan, np.nan), baselines())
    assert only == ("Block 2: NMI 1.00, without an interval, with no baseline to compare it with.")
    alike, so = conclusions.on_separation(separation(1.0, np.nan, np.nan), baselines(start=0.1))
    assert "not told apart from start (0.10)" in alike
    assert so.startswith("So in no block")
    alike, so = conclusions.on_separation(separation(0.5, 0.4, 0.6), baselines(start=np.nan))
    assert "not told apart from start" in alike
    assert so.startswith("So in no block")


@given(st.floats(0, 1), st.floats(0, 0.2), st.lists(st.floats(0, 1), min_size=1, max_size=4))
def test_every_baseline_is_named_once(value: float, reach: float, others: list[float]) -> None:
    mine = separation(value, value - reach, value + reach)
    named = {f"router{place}": other for place, other in enumerate(others)}
    sentence, so = conclusions.on_separation(mine, baselines(**named))
    assert all(sentence.count(name) == 1 for name in named)
    everywhere = all(other < value - reach for other in others)
    assert so.startswith("So in block 2") == everywhere


def causal(rises: list[tuple[str, str]], baseline: float = 1.0) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "effect_image": [image for image, _ in rises],
            "effect_text": [text for _, text in rises],
            "image_tokens": 3,
            "text_tokens": ([3] + [0] * len(rises))[: len(rises)],
            "baseline": baseline,
            "chance": 3.0,
            "pairs": 20,
        }
    )


def test_causes_are_counted_by_modality_with_what_chance_would_say() -> None:
    found = conclusions.on_causes(causal([("needed", ""), ("harmful", "needed"), ("needed", "")]))
    assert (
        "2 of 3 experts are needed for image tokens: the loss rises without. 1 does harm"
        in (found[1])
    )
    assert found[2].startswith("1 of 3 experts is needed for text tokens")
    assert found[3].startswith("Of 6 experts and modalities, in 4 a token")


def test_a_model_that_does_no_better_than_guessing_has_no_causes() -> None:
    (only,) = conclusions.on_causes(causal([("needed", "needed")], baseline=3.1))
    assert "no better than guessing" in only
    assert "needed" not in only


def test_agreement_is_claimed_after_a_correction_alone() -> None:
    frame = pd.DataFrame(
        {
            "layer": [2, 4, 2],
            "modality": ["image", "image", "text"],
            "label": ["category", "category", "language"],
            "ami": [0.2, 0.3, 0.1],
            "null": [0.1, 0.1, 0.1],
            "null_high": [0.15, 0.15, 0.15],
            "p": [0.001, 0.002, 0.2],
        }
    )
    said, others = conclusions.on_agreement(frame)
    assert said.startswith("Image tokens go with category in blocks 2 and 4: AMI 0.20 and 0.30")
    assert others.startswith("The other 1 of 3 questions")
    (few,) = conclusions.on_agreement(frame.assign(p=0.03))
    assert "too few" in few and "for 3 questions" in few
    (none,) = conclusions.on_agreement(frame.assign(p=0.3, ami=0.1))
    assert none.startswith("No label agrees")


def test_onset_says_none_where_there_is_none() -> None:
    frame = pd.DataFrame(
        {
            "layer": [2, 4],
            "onset": pd.array([100, None], "Int64"),
            "low": pd.array([50, None], "Int64"),
            "high": pd.array([200, None], "Int64"),
            "baseline": [0.5, 0.73],
            "last": [0.83, 0.79],
        }
    )
    some, none = conclusions.on_onset(frame)
    assert some == (
        "Block 2: from step 100 (95 %: step 50 to 200) on; NMI 0.50 at first, 0.83 at the end."
    )
    assert none.startswith("Block 4: no lasting rise beyond chance (NMI 0.73 at first, 0.79 at the")


def test_purity_and_cause_go_together_only_where_chance_does_not_give_it() -> None:
    rising, mixed = pd.Series(np.arange(12.0)), pd.Series([1, 4, 2, 3] * 3)
    (together,) = conclusions.on_purity_and_cause(rising, rising)
    (against,) = conclusions.on_purity_and_cause(rising, -rising)
    (nothing,) = conclusions.on_purity_and_cause(rising, mixed)
    assert together.endswith("so they go together.")
    assert against.endswith("so they go against each other.")
    assert nothing.endswith("which chance gives as well.")
    assert "no correlation" in conclusions.on_purity_and_cause(rising[:2], rising[:2])[0]


def test_roles_words_and_places_of_a_trace_without_structure(trace_of) -> None:
    trace = trace_of(3, pairs=30, grid=3)
    roles = analysis.roles(trace, samples=50)
    found = conclusions.on_roles(roles)
    assert len(found) == trace.num_layers + 1
    words = analysis.words_of_experts(trace, 2, count=None, samples=30)
    (said,) = conclusions.on_words(words, trace.num_experts)
    assert said.startswith(tuple("01")) and "of 4 experts" in said
    (placed,) = conclusions.on_places(analysis.position_frame(trace, 2, samples=50))
    assert placed.startswith(tuple("01")) and "of 4 experts" in placed


def test_what_was_not_measured_is_no_finding(trace_of) -> None:
    trace = trace_of(3, pairs=8, grid=2)
    (words,) = conclusions.on_words(analysis.words_of_experts(trace, 2, samples=0), 4)
    (places,) = conclusions.on_places(analysis.position_frame(trace, 2, samples=0))
    roles = pd.DataFrame({"layer": [2], "role": ["image"], "role_recurs": [np.nan]})
    nothing = pd.DataFrame({"p": [np.nan], "ami": [0.1], "null_high": [np.nan]})
    (agreement,) = conclusions.on_agreement(nothing)
    for said in (words, places, conclusions.on_roles(roles)[-1], agreement):
        assert said.endswith("not measured.")
    assert conclusions.on_causes(causal([])) == [
        "No expert was taken away, so nothing shows what any is for."
    ]


def test_a_missing_purity_is_no_correlation() -> None:
    rising = pd.Series(np.arange(12.0))
    (said,) = conclusions.on_purity_and_cause(rising, rising.where(rising != 3))
    assert "over 11 experts" in said
    assert said.endswith("so they go together.")


def test_an_onset_that_many_resamples_lack_has_an_open_end() -> None:
    row = {"layer": [2], "onset": [20], "low": [10], "high": [pd.NA]}
    (said,) = conclusions.on_onset(pd.DataFrame({**row, "baseline": [0.1], "last": [0.5]}))
    assert said.startswith("Block 2: from step 20 (95 %: step 10 or not at all) on;")


def test_a_rise_within_the_noise_is_not_said_to_have_been_there_before() -> None:
    row = {"layer": [2], "onset": [pd.NA], "low": [pd.NA], "high": [pd.NA]}
    (said,) = conclusions.on_onset(pd.DataFrame({**row, "baseline": [0.1], "last": [0.5]}))
    assert "before training" not in said
