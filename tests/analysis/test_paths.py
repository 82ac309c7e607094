from __future__ import annotations

from collections import Counter

import pytest

import analysis


def test_paths_agree_with_a_plain_count(trace_of):
    trace = trace_of(layers=3, experts=3, pairs=10)
    for code, modality in enumerate(("image", "text")):
        tokens = [t for t in range(trace.num_tokens) if trace.modality[t] == code]
        wanted = Counter(tuple(trace.expert[:, t, 0].tolist()) for t in tokens)
        frame = analysis.expert_paths(trace, modality)
        assert frame["tokens"].sum() == len(tokens)
        assert frame["tokens"].is_monotonic_decreasing
        for row in frame.itertuples():
            path = (row.layer_2, row.layer_4, row.layer_6)
            assert row.tokens == wanted[path]
            assert row.path == " → ".join(f"E{e}" for e in path)
            assert row.share == pytest.approx(wanted[path] / len(tokens))
            pairs = {
                int(trace.pair[t]) for t in tokens if tuple(trace.expert[:, t, 0].tolist()) == path
            }
            assert row.pairs == len(pairs)
            chance = 1.0
            for layer, expert in enumerate(path):
                chance *= sum(trace.expert[layer, t, 0] == expert for t in tokens) / len(tokens)
            assert row.independent == pytest.approx(chance)


def test_transitions_count_every_token_once_per_step(trace_of):
    trace = trace_of(layers=3)
    frame = analysis.transitions(trace)
    per_step = frame.groupby(["modality", "layer"])["tokens"].sum()
    for code, modality in enumerate(("image", "text")):
        for layer in (2, 4):
            assert per_step[(modality, layer)] == (trace.modality == code).sum()
    assert frame.groupby(["modality", "layer"])["share"].sum().to_numpy() == pytest.approx(1)
    row = frame.iloc[0]
    code = ["image", "text"].index(row["modality"])
    both = (trace.expert[0, :, 0] == row["expert"]) & (trace.expert[1, :, 0] == row["next_expert"])
    assert row["tokens"] == (both & (trace.modality == code)).sum()
