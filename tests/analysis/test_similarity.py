"""Similarity and ranks of a pair, against plain loops."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

import analysis
from analysis.errors import AnalysisError
from tests.analysis.conftest import make_trace


@pytest.mark.parametrize("example", range(6))
def test_an_example_is_ranked_among_the_others(example: int) -> None:
    probe = make_trace(3, pairs=6)
    found = analysis.pair_similarity(probe.select([example]), probe, picture=example).iloc[0]
    table = probe.image_embeddings.astype(float) @ probe.text_embeddings.astype(float).T
    assert found["similarity"] == pytest.approx(table[example, example])
    own = str(probe.captions[example])
    others = {str(c) for c in probe.captions} - {own}
    better = sum(
        max(table[example, j] for j in range(6) if str(probe.captions[j]) == text)
        > table[example, example]
        for text in others
    )
    assert (found["text_rank"], found["texts"]) == (1 + better, 1 + len(others))
    better = sum(table[i, example] > table[example, example] for i in range(6) if i != example)
    assert (found["picture_rank"], found["pictures"]) == (1 + better, 6)


def test_a_pair_of_ones_own_is_ranked_among_all() -> None:
    probe, own = make_trace(3, pairs=6), make_trace(5, pairs=1)
    own = dataclasses.replace(own, captions=np.array(["nothing like it"]))
    found = analysis.pair_similarity(own, probe).iloc[0]
    assert (found["texts"], found["pictures"]) == (1 + len(set(probe.captions)), 7)


def test_without_others_or_without_a_picture_there_are_no_ranks() -> None:
    own = make_trace(5, pairs=1)
    alone = analysis.pair_similarity(own).iloc[0]
    assert alone["similarity"] == pytest.approx(
        float(own.image_embeddings[0] @ own.text_embeddings[0]), abs=1e-6
    )
    assert pd.isna(alone["text_rank"])
    blind = dataclasses.replace(own, image_embeddings=np.zeros_like(own.image_embeddings))
    found = analysis.pair_similarity(blind, make_trace(3)).iloc[0]
    assert np.isnan(found["similarity"])
    assert pd.isna(found["picture_rank"])


def test_several_pairs_and_unknown_pictures_are_refused() -> None:
    probe = make_trace(3)
    with pytest.raises(AnalysisError, match="one pair"):
        analysis.pair_similarity(probe)
    with pytest.raises(AnalysisError, match="picture 99"):
        analysis.pair_similarity(probe.select([0]), probe, picture=99)
