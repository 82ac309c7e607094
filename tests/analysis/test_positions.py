"""Maps of places beside what they would be if place did not matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import analysis
from limoe_core.trace import RoutingTrace

GRID = 6


def routed(trace: RoutingTrace, choose) -> RoutingTrace:
    """The trace with the patches' first choices that `choose(pair, row, column)` gives."""
    expert = trace.expert.copy()
    for token in np.flatnonzero(trace.modality == 0):
        row, column = divmod(int(trace.position[token]), GRID)
        expert[:, token, 0] = choose(int(trace.pair[token]), row, column)
    return replace(trace, expert=expert)


def beyond(frame) -> float:
    return float(
        ((frame["share"] < frame["null_low"]) | (frame["share"] > frame["null_high"])).mean()
    )


def test_blobs_that_lie_anywhere_are_within_the_null(
    trace_of,
) -> None:
    found, more = [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        at = rng.integers(GRID, size=(50, 2))

        def choose(pair: int, row: int, column: int, at=at) -> int:
            gap = (np.array([row, column]) - at[pair]) % GRID
            return int((gap < 3).all())  # a square of nine patches, together

        trace = routed(trace_of(seed, pairs=50, layers=1, grid=GRID), choose)
        frame = analysis.position_frame(trace, 2, samples=100, seed=seed)
        found.append(beyond(frame[frame["expert"] < 2]))
        more += analysis.places_beyond(frame[frame["expert"] < 2])["more"].tolist()
    assert np.mean(found) < 0.12  # 5 % is meant; neighbours go together, so it varies
    assert sum(more) <= 3  # of 12


def test_an_expert_of_the_middle_is_beyond_chance_with_its_interval(trace_of) -> None:
    rng = np.random.default_rng(0)

    def choose(pair: int, row: int, column: int) -> int:
        middle = 1 <= row <= 4 and 1 <= column <= 4
        return int(rng.random() < (0.8 if middle else 0.2))

    trace = routed(trace_of(0, pairs=50, layers=1, grid=GRID), choose)
    frame = analysis.position_frame(trace, 2, samples=100)
    mine = frame[frame["expert"] == 1]
    assert beyond(mine) > 0.9
    row = analysis.places_beyond(mine).iloc[0]
    assert row["more"] and row["beyond"] > 0.9 * row["cells"] > row["most_beyond"]
    assert ((mine["low"] <= mine["share"]) & (mine["share"] <= mine["high"])).all()
    middle = mine[mine["row"].between(1, 4) & mine["column"].between(1, 4)]
    covered = (middle["low"] <= 0.8) & (middle["high"] >= 0.8)
    assert covered.mean() > 0.75


def test_shares_are_those_of_the_map_and_no_samples_give_no_null(trace_of) -> None:
    trace = trace_of(pairs=10, grid=3)
    frame = analysis.position_frame(trace, 2, samples=0)
    assert frame[["low", "high", "null_low", "null_high"]].isna().all(axis=None)
    for expert, mine in frame.groupby("expert"):
        wanted = analysis.position_map(trace, 2, int(str(expert)))
        assert mine["share"].to_numpy() == pytest.approx(wanted.reshape(-1))


def test_drawings_of_one_concept_in_one_place_are_one_witness(trace_of) -> None:
    more = []
    for seed in range(4):
        at = np.random.default_rng(seed).integers(GRID, size=(12, 2))

        def choose(pair: int, row: int, column: int, at=at) -> int:
            return int(((np.array([row, column]) - at[pair % 12]) % GRID < 3).all())

        trace = trace_of(seed, pairs=48, layers=1, grid=GRID)
        meta = {**trace.meta, "concept": (np.arange(48) % 12).astype(str)}
        trace = routed(replace(trace, meta=meta), choose)
        frame = analysis.position_frame(trace, 2, samples=40, seed=seed)
        more += analysis.places_beyond(frame[frame["expert"] < 2])["more"].tolist()
    assert sum(more) <= 2  # of 8; were each drawing moved by itself, most
