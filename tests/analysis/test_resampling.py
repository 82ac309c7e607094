"""What is resampled for intervals, and whether these cover where concepts repeat."""

from __future__ import annotations

import dataclasses

import numpy as np

import analysis
from analysis.resampling import units


def repeated(trace, each: int):
    """The trace with so many pairs of each concept, all of which are routed as the first."""
    concept = np.arange(trace.num_pairs) // each
    first = concept * each
    tokens = {}
    for token in range(trace.num_tokens):
        place = trace.pair[token], trace.modality[token], trace.position[token]
        tokens[tuple(map(int, place))] = token
    expert = trace.expert.copy()
    for token in range(trace.num_tokens):
        pair, modality, position = trace.pair[token], trace.modality[token], trace.position[token]
        like = tokens.get((int(first[pair]), int(modality), int(position)))
        if like is not None:
            expert[:, token] = trace.expert[:, like]
    meta = {**trace.meta, "concept": concept.astype(str)}
    return dataclasses.replace(trace, expert=expert, meta=meta)


def test_concepts_are_drawn_where_they_repeat_and_pairs_elsewhere(trace_of) -> None:
    trace = trace_of(pairs=12)
    assert units(trace).kind == "pairs"  # each pair has a concept of its own
    found = units(repeated(trace, 3))
    assert (found.kind, found.size) == ("concepts", 4)
    nameless = dataclasses.replace(trace, meta={})
    assert units(nameless).kind == "pairs"
    half = {"concept": np.array(["a"] * 6 + [""] * 6)}
    assert units(dataclasses.replace(trace, meta=half)).size == 7


def test_totals_and_resamples_are_those_of_whole_units(trace_of) -> None:
    drawn = units(repeated(trace_of(pairs=12), 3))
    values = np.random.default_rng(0).integers(9, size=(12, 2, 4))
    total = drawn.total(values)
    for unit in range(4):
        assert (total[unit] == values[3 * unit : 3 * unit + 3].sum(axis=0)).all()
    flat = total.reshape(4, -1)
    for one in drawn.resampled(values, 20, 0):
        weights, *_ = np.linalg.lstsq(flat.T.astype(float), one.reshape(-1), rcond=None)
        np.testing.assert_allclose(weights, weights.round(), atol=1e-6)
        assert round(weights.sum()) == 4


def test_copies_of_a_concept_make_nothing_surer(trace_of) -> None:
    """Eight pairs of each concept, routed alike, tell as much as one pair of each."""
    trace = repeated(trace_of(3, pairs=64, layers=1), 8)
    one_each = trace.select(list(range(0, 64, 8)))
    wide, narrow = (analysis.modality_specialisation(each).iloc[0] for each in (one_each, trace))
    assert narrow["resampled"] == "concepts" and wide["resampled"] == "pairs"
    reach = [row["high"] - row["low"] for row in (wide, narrow)]
    assert 0.5 < reach[1] / reach[0] < 2
    other = {name: values for name, values in trace.meta.items() if name != "concept"}
    naive = dataclasses.replace(trace, meta=other)
    surer = analysis.modality_specialisation(naive).iloc[0]
    assert surer["high"] - surer["low"] < 0.6 * reach[1]
    shares = [analysis.roles(each)["role_recurs"].mean() for each in (trace, naive)]
    assert shares[0] < shares[1]
    intervals = [
        analysis.expert_preferences(each, 2, "language", "image")[["low", "high"]]
        for each in (trace, naive)
    ]
    widths = [(each["high"] - each["low"]).mean() for each in intervals]
    assert not widths[0] < widths[1]
