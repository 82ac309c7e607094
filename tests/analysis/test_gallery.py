"""What each expert is known by, against plain counting."""

from __future__ import annotations

import math
from collections import Counter

import pandas as pd
import pytest

import analysis
from analysis.gallery import patches_of_experts
from analysis.words import words_of_experts


def test_patches_are_those_of_each_expert_by_itself(trace) -> None:
    frame = patches_of_experts(trace, 4, 5, 2)
    for expert in range(trace.num_experts):
        mine = frame[frame["expert"] == expert].drop(columns="expert").reset_index(drop=True)
        alone = analysis.top_patches(trace, 4, expert, count=5, per_pair=2)
        pd.testing.assert_frame_equal(mine, alone, check_dtype=False)


def test_words_are_counted_and_weighed_as_by_hand(trace_of) -> None:
    trace = trace_of(3, pairs=24)
    layer = trace.layers.tolist().index(2)
    words = analysis.token_labels(trace, "word")
    text = [t for t in range(trace.num_tokens) if trace.modality[t] == 1]
    to = {t: int(trace.expert[layer, t, 0]) for t in text}
    total = Counter(words[t] for t in text)
    of_expert = Counter(to[t] for t in text)
    here = Counter((to[t], words[t]) for t in text)
    wanted = {}
    for (expert, word), n in here.items():
        lift = (n / total[word]) / (of_expert[expert] / len(text))
        if lift > 1:
            wanted[expert, word] = (n, total[word], lift, n * math.log(lift))
    frame = words_of_experts(trace, 2, "word", None)
    found = {
        (row.expert, row.value): (row.tokens, row.total, row.lift, row.weight)
        for row in frame.itertuples()
    }
    assert found.keys() == wanted.keys()
    for key, values in wanted.items():
        assert found[key] == pytest.approx(values), key


def test_the_best_word_has_the_most_evidence_and_not_the_largest_lift(trace_of) -> None:
    frame = words_of_experts(trace_of(3, pairs=24), 2, "word", None)
    for _, mine in frame.groupby("expert"):
        assert mine["weight"].is_monotonic_decreasing


def test_no_more_words_than_asked_for(trace_of) -> None:
    frame = words_of_experts(trace_of(3, pairs=24), 2, "piece", 1)
    assert frame.groupby("expert").size().max() == 1


def test_a_trace_without_text_has_no_words(trace) -> None:
    import dataclasses

    import numpy as np

    images = np.flatnonzero(trace.modality == 0)
    alone = dataclasses.replace(
        trace,
        **{
            name: getattr(trace, name)[images]
            for name in ("modality", "pair", "position", "piece", "box")
        },
        **{
            name: getattr(trace, name)[:, images] for name in ("probs", "expert", "gate", "dropped")
        },
    )
    assert words_of_experts(alone, 2).empty
