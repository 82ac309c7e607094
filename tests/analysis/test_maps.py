"""Maps of embeddings, what they may be trusted for, and how they are kept."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors

import analysis
from analysis import kept_maps, maps, neighbours
from analysis.errors import AnalysisError
from analysis.maps import UmapMap
from tests.analysis.conftest import make_trace


def some_vectors(count: int = 60, size: int = 8, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, size))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


# ---- neighbours


@pytest.mark.parametrize("at_once", [2**24, 100])
def test_neighbours_are_those_of_scikit_learn(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "_AT_ONCE", at_once)
    vectors = some_vectors().astype(np.float64)
    near, distance = neighbours.nearest_vectors(vectors, vectors, 7, own=np.arange(60))
    wanted_distance, wanted = NearestNeighbors(n_neighbors=7).fit(vectors).kneighbors()
    assert np.array_equal(near, wanted)
    assert distance == pytest.approx(wanted_distance)


def test_more_neighbours_than_there_are_vectors() -> None:
    vectors = some_vectors(5)
    with pytest.raises(AnalysisError, match="4 vectors to be neighbours"):
        neighbours.nearest_vectors(vectors, vectors, 5, own=np.arange(5))


# ---- points


def test_points_of_pairs_have_the_expert_of_most_of_their_tokens() -> None:
    trace = make_trace(3, pairs=9, layers=3)
    points = analysis.pair_points(trace)
    assert len(points.known) == len(points.vectors) == 18
    for place, row in enumerate(points.known.to_dict("records")):
        code = ("image", "text").index(row["modality"])
        wanted = (trace.image_embeddings, trace.text_embeddings)[code][row["pair"]]
        assert np.array_equal(points.vectors[place], wanted)
        for layer, block in enumerate(trace.layers):
            tokens = (trace.pair == row["pair"]) & (trace.modality == code)
            counts = Counter(trace.expert[layer, tokens, 0].tolist())
            assert row[f"block {block}"] == min(counts, key=lambda e: (-counts[e], e))
    assert points.labels == ["modality", "category", "language", "block 2", "block 4", "block 6"]


def test_a_pair_without_its_picture_has_no_point_of_it() -> None:
    trace = make_trace(pairs=6)
    trace.image_embeddings[2] = 0
    points = analysis.pair_points(trace)
    assert points.known["pair"].tolist() == [0, 1, 3, 4, 5, *range(6)]
    assert (analysis.points_gap(points)["pairs"] == 5).all()


def test_points_of_tokens_are_the_routers_inputs() -> None:
    trace = make_trace(hidden=True)
    points = analysis.token_points(trace, 4)
    assert np.array_equal(points.vectors, trace.hidden[1])
    assert points.known["block 2"].tolist() == trace.expert[0, :, 0].tolist()
    with pytest.raises(AnalysisError, match="hidden=True"):
        analysis.token_points(make_trace(), 4)


def test_pairs_traced_in_portions_give_the_points_of_the_whole() -> None:
    whole = make_trace(1, pairs=7)

    class Model:
        def trace(self, images: list[int], texts: list[str], *, meta: dict[str, list[str]]):
            assert meta["concept"] == [f"concept{image}" for image in images]
            return whole.select(images)

    meta = {name: [str(value) for value in values] for name, values in whole.meta.items()}
    texts = [str(text) for text in whole.captions]
    found = analysis.embedded_points(Model(), list(range(7)), texts, meta, portion=3)
    wanted = analysis.pair_points(whole)
    assert np.array_equal(found.vectors, wanted.vectors)
    assert found.known.equals(wanted.known)


# ---- maps


def test_pca_is_that_of_scikit_learn_but_for_signs() -> None:
    vectors = some_vectors().astype(np.float64)
    fitted = analysis.embedding_map(vectors)
    theirs = PCA(2).fit(vectors)
    ours, wanted = fitted.place(vectors), theirs.transform(vectors)
    assert np.abs(ours) == pytest.approx(np.abs(wanted), abs=1e-6)
    assert fitted.explained == pytest.approx(theirs.explained_variance_ratio_, abs=1e-6)


def test_axes_are_similarities() -> None:
    vectors = some_vectors()
    placed = analysis.axes_map(vectors[:2]).place(vectors)
    assert placed[5, 1] == pytest.approx(float(vectors[5] @ vectors[1]))
    with pytest.raises(AnalysisError, match="two texts"):
        analysis.axes_map(vectors[:3])


def test_a_map_stays_still_when_other_points_are_placed() -> None:
    vectors, positions = some_vectors(), np.random.default_rng(1).normal(size=(60, 2))
    fitted = UmapMap(vectors, positions, 15)
    assert np.array_equal(fitted.place(vectors), positions)
    moved = vectors + 0.01
    assert np.array_equal(fitted.place(moved)[7:9], fitted.place(moved[7:9]))


@given(st.integers(2, 20), st.integers(0, 10))
def test_weights_of_neighbours_are_as_umap_has_them(count: int, seed: int) -> None:
    distance = np.sort(np.random.default_rng(seed).uniform(0.1, 2, size=(5, count)), axis=1)
    weights = maps._memberships(distance)
    assert weights.sum(axis=1) == pytest.approx(1)
    assert (np.diff(weights, axis=1) <= 0).all()
    assert (weights / weights[:, :1]).sum(axis=1) == pytest.approx(max(np.log2(count), 1), rel=1e-3)


@pytest.mark.training
def test_umap_keeps_groups_together_and_gives_the_same_again() -> None:
    rng = np.random.default_rng(0)
    group = np.arange(90) % 3
    vectors = 8 * np.eye(6)[group] + rng.normal(size=(90, 6))
    told: list[tuple[int, int]] = []
    fitted = analysis.embedding_map(
        vectors, "umap", seed=3, progress=lambda done, total: told.append((done, total))
    )
    assert told[-1] == (100, 100) and told == sorted(told)
    nearest = NearestNeighbors(n_neighbors=5).fit(fitted.positions).kneighbors()[1]
    assert (group[nearest] == group[:, None]).all()
    again = analysis.embedding_map(vectors, "umap", seed=3)
    assert np.array_equal(again.positions, fitted.positions)


@pytest.mark.parametrize(
    ("vectors", "method", "said"),
    [
        (np.zeros((3, 4)), "pca", "at least 4"),
        (np.full((9, 4), np.nan), "pca", "not finite"),
        (np.zeros((9, 4)), "tsne", "choose one of pca, umap"),
    ],
)
def test_what_has_no_map(vectors: np.ndarray, method: str, said: str) -> None:
    with pytest.raises(AnalysisError, match=said):
        analysis.embedding_map(vectors, method)


# ---- kept


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Seeds of the maps that were fitted, by something quicker than UMAP."""
    seeds: list[int] = []

    def fit(vectors, method, *, seed, neighbours, min_dist, progress):
        seeds.append(seed)
        positions = np.random.default_rng(seed).normal(size=(len(vectors), 2))
        return UmapMap(vectors, positions, neighbours)

    monkeypatch.setattr(kept_maps, "embedding_map", fit)
    return seeds


def test_a_map_is_fitted_once(tmp_path: Path, fits: list[int]) -> None:
    vectors = some_vectors()
    first = analysis.cached_embedding_map(vectors, tmp_path / "maps")
    again = analysis.cached_embedding_map(vectors, tmp_path / "maps")
    assert fits == [0]
    assert np.array_equal(first.positions, again.positions)
    analysis.cached_embedding_map(vectors, tmp_path / "maps", seed=1)
    analysis.cached_embedding_map(vectors[::-1], tmp_path / "maps")
    analysis.cached_embedding_map(vectors, tmp_path / "maps", neighbours=9)
    assert fits == [0, 1, 0, 0]


@pytest.mark.parametrize("damage", ["torn", "other", "empty"])
def test_a_damaged_map_is_fitted_anew(tmp_path: Path, fits: list[int], damage: str) -> None:
    vectors = some_vectors()
    analysis.cached_embedding_map(vectors, tmp_path)
    (file,) = tmp_path.iterdir()
    if damage == "torn":
        file.write_bytes(file.read_bytes()[:40])
    elif damage == "other":
        np.savez(file, positions=np.zeros((3, 2)))
    else:
        file.write_bytes(b"")
    analysis.cached_embedding_map(vectors, tmp_path)
    analysis.cached_embedding_map(vectors, tmp_path)
    assert fits == [0, 0]


# ---- agreement


@pytest.mark.parametrize("count", [12, 60])
def test_trustworthiness_is_that_of_scikit_learn(count: int) -> None:
    vectors = some_vectors(count).astype(np.float64)
    positions = vectors[:, :2]
    frame = analysis.map_agreement(vectors, positions, neighbours=3).set_index("measure")
    value = frame["value"]
    assert value["trustworthiness"] == pytest.approx(
        trustworthiness(vectors, positions, n_neighbors=3)
    )
    assert value["continuity"] == pytest.approx(trustworthiness(positions, vectors, n_neighbors=3))
    near = [
        NearestNeighbors(n_neighbors=3).fit(where).kneighbors()[1] for where in (vectors, positions)
    ]
    kept = np.mean([len({*one} & {*other}) / 3 for one, other in zip(*near, strict=True)])
    assert value["neighbours kept"] == pytest.approx(kept)


def test_a_perfect_map_and_one_at_random() -> None:
    flat = np.random.default_rng(0).normal(size=(300, 2))
    assert (analysis.map_agreement(flat, flat)["value"] == 1).all()
    random = np.random.default_rng(1).normal(size=(300, 2))
    frame = analysis.map_agreement(flat, random, most=200)
    assert frame["value"].to_numpy() == pytest.approx(frame["chance"].to_numpy(), abs=0.03)
    assert (frame["looked_at"] == 200).all()
