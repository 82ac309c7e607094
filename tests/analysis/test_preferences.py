from __future__ import annotations

import numpy as np
import pytest

import analysis


@pytest.mark.parametrize(("by", "modality"), [("category", "image"), ("script", "text")])
def test_preferences_agree_with_a_plain_count(trace_of, by, modality):
    trace = trace_of(5, pairs=12)
    layer = int(trace.layers[1])
    frame = analysis.expert_preferences(trace, layer, by, modality, samples=50)
    rows = analysis.to_frame(trace)
    rows["script"] = [analysis.script(t) if m == "text" else "" for t, m in
                      zip(rows["token"], rows["modality"], strict=True)]  # fmt: skip
    rows = rows[(rows["layer"] == layer) & (rows["modality"] == modality)]
    assert len(frame) == rows[by].nunique() * trace.num_experts
    for row in frame.itertuples():
        labelled = rows[rows[by] == row.value]
        mine = labelled[labelled["expert"] == row.expert]
        base = (rows["expert"] == row.expert).mean()
        assert row.tokens == len(mine)
        assert row.total == len(labelled)
        assert row.pairs == labelled["pair"].nunique()
        assert row.share == pytest.approx(len(mine) / len(labelled))
        assert row.base == pytest.approx(base)
        if base:
            assert row.lift == pytest.approx(row.share / base)
        if row.pairs >= 5:
            assert row.low <= row.share + 1e-9
            assert row.high >= row.share - 1e-9
    summed = frame.groupby("value")["share"].sum()
    assert summed.to_numpy() == pytest.approx(1)


def test_preference_intervals_resample_pairs(trace_of):
    trace = trace_of(pairs=30)
    layer = int(trace.layers[0])
    frame = analysis.expert_preferences(trace, layer, "category", "image", samples=800)
    row = frame.loc[frame["share"].idxmax()]
    rng = np.random.default_rng(9)
    shares = []
    for _ in range(400):
        resampled = trace.select(rng.integers(30, size=30))
        again = analysis.expert_preferences(resampled, layer, "category", "image", samples=0)
        same = again[(again["value"] == row["value"]) & (again["expert"] == row["expert"])]
        shares.extend(same["share"])
    low, high = np.quantile(shares, [0.025, 0.975])
    assert row["low"] == pytest.approx(low, abs=0.25 * (high - low))
    assert row["high"] == pytest.approx(high, abs=0.25 * (high - low))


def test_position_map_is_the_share_at_each_place(trace):
    for expert in range(trace.num_experts):
        grid = analysis.position_map(trace, 2, expert)
        for row in range(2):
            for column in range(2):
                at = (trace.modality == 0) & (trace.position == row * 2 + column)
                assert grid[row, column] == pytest.approx((trace.expert[0, at, 0] == expert).mean())


def test_top_patches_are_those_with_the_highest_gate(trace_of):
    trace = trace_of(pairs=10)
    best = analysis.top_patches(trace, 4, 1, count=5, per_pair=100)
    mine = (trace.modality == 0) & (trace.expert[1, :, 0] == 1)
    assert best["gate"].tolist() == pytest.approx(sorted(trace.gate[1, mine, 0])[::-1][:5])
    for row in best.itertuples():
        token = np.flatnonzero(mine & (trace.pair == row.pair) & (trace.position == row.position))
        assert len(token) == 1
        assert (row.x0, row.y0, row.x1, row.y1) == tuple(trace.box[token[0]])
        assert row.category == trace.meta["category"][row.pair]
    limited = analysis.top_patches(trace, 4, 1, count=50, per_pair=1)
    assert limited["pair"].is_unique
    assert set(limited["pair"]) == set(trace.pair[mine])


def test_top_pieces_come_with_their_word_and_caption(trace):
    best = analysis.top_pieces(trace, 2, 0, count=100, per_pair=100)
    mine = (trace.modality == 1) & (trace.expert[0, :, 0] == 0)
    assert len(best) == mine.sum()
    assert best["gate"].is_monotonic_decreasing
    for row in best.itertuples():
        assert row.token.strip("▁") in row.word
        assert row.caption == trace.captions[row.pair]


def test_top_words_are_preferred_and_no_single_cases(trace_of):
    trace = trace_of(pairs=16)
    frame = analysis.top_words(trace, 2, 2, by="piece", min_tokens=3)
    assert len(frame) > 1
    weights = [row.tokens * np.log(row.share / row.base) for row in frame.itertuples()]
    assert weights == sorted(weights, reverse=True)
    assert (frame["lift"] > 1).all()
    assert (frame["total"] >= 3).all()
    for row in frame.itertuples():
        labelled = (trace.piece == row.value) & (trace.modality == 1)
        assert row.share == pytest.approx((trace.expert[0, labelled, 0] == 2).mean())


def test_questions_that_make_no_sense_are_told_so(trace):
    with pytest.raises(analysis.AnalysisError, match="block 3 .* 2, 4"):
        analysis.position_map(trace, 3, 0)
    with pytest.raises(analysis.AnalysisError, match="no expert 9; they are 0 to 3"):
        analysis.top_patches(trace, 2, 9)
    with pytest.raises(analysis.AnalysisError, match="no image token .* script"):
        analysis.expert_preferences(trace, 2, "script", "image")
    with pytest.raises(analysis.AnalysisError, match="'picture'"):
        analysis.expert_preferences(trace, 2, "category", "picture")
