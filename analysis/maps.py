"""Maps of embeddings in two dimensions: PCA, UMAP, or similarity to two texts.

A map is fitted once and then kept still: what it was not fitted on, such as the same pairs at
another training step or a picture of one's own, is placed on it and moves nothing else.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import pandas as pd
from jaxtyping import Float

from analysis.arguments import check_count
from analysis.errors import AnalysisError
from analysis.neighbours import nearest_vectors
from analysis.points import Points

Method = Literal["pca", "umap"]
METHODS: tuple[Method, ...] = ("pca", "umap")

#: Fewer points than this have no neighbourhoods to keep.
FEWEST = 4


class Map(Protocol):
    """A fitted map."""

    def place(self, vectors: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m 2"]:
        """Where vectors of the space lie on the map."""


@dataclass(frozen=True, eq=False)
class PcaMap:
    """The two directions of most variance of the points that it was fitted on."""

    mean: Float[np.ndarray, " d"]
    directions: Float[np.ndarray, "2 d"]
    """Unit vectors; the sign is such that the entry farthest from 0 is positive."""
    explained: Float[np.ndarray, " 2"]
    """Share of the variance along each."""

    def place(self, vectors: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m 2"]:
        """Coordinates along the two directions."""
        return (np.asarray(vectors, np.float64) - self.mean) @ self.directions.T


@dataclass(frozen=True, eq=False)
class UmapMap:
    """A layout by UMAP (McInnes, Healy and Melville, 2018)."""

    vectors: Float[np.ndarray, "n d"]
    """What it was fitted on."""
    positions: Float[np.ndarray, "n 2"]
    neighbours: int

    def place(self, vectors: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m 2"]:
        """The mean place of the nearest fitted points, weighted as UMAP weighs neighbours.

        That is where UMAP's own `transform` starts from; it is exact for the fitted points, the
        same in every process, and never moves them. A point that resembles nothing on the map is
        placed all the same: see `analysis.map_agreement`.
        """
        if np.array_equal(vectors, self.vectors):
            return self.positions
        if not len(vectors):
            return np.zeros((0, 2))
        count = min(self.neighbours, len(self.vectors))
        near, distance = nearest_vectors(vectors, self.vectors, count)
        weights = _memberships(distance)
        placed = (weights[..., None] * self.positions[near]).sum(axis=1)
        same = distance[:, 0] == 0
        placed[same] = self.positions[near[same, 0]]
        return placed


@dataclass(frozen=True, eq=False)
class AxesMap:
    """The shared space itself, seen along two of its vectors."""

    axes: Float[np.ndarray, "2 d"]

    def place(self, vectors: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m 2"]:
        """Cosine similarity to each."""
        return np.asarray(vectors, np.float64) @ np.asarray(self.axes, np.float64).T


def embedding_map(
    vectors: Float[np.ndarray, "n d"],
    method: Method = "pca",
    *,
    seed: int = 0,
    neighbours: int = 15,
    min_dist: float = 0.1,
    progress: Callable[[int, int], None] | None = None,
) -> PcaMap | UmapMap:
    """Fits a map to the vectors.

    UMAP starts from PCA, so that what lies far apart stays so where it can, and works in one
    thread, so that a seed gives the same map again on the same machine with the same libraries.

    Args:
      seed, neighbours, min_dist: of UMAP alone; `neighbours` counts the point itself.
      progress: called with (done, total).

    Raises:
      AnalysisError: there are fewer than four vectors, they are not finite or single numbers, or
        there is no such method.
    """
    vectors = checked_vectors(vectors)
    if method not in METHODS:
        raise AnalysisError(f"there is no map {method!r}; choose one of {', '.join(METHODS)}")
    check_count(neighbours, "neighbours", 2)
    if vectors.shape[1] < 2:
        raise AnalysisError("a map needs vectors of at least two numbers")
    if method == "pca":
        return _pca(vectors)
    return UmapMap(
        vectors,
        _umap(vectors, seed, min(neighbours, len(vectors) - 1), min_dist, progress),
        neighbours,
    )


def axes_map(axes: Float[np.ndarray, "n d"]) -> AxesMap:
    """The map whose x and y are the cosine similarities to two embeddings.

    Raises:
      AnalysisError: there are not two.
    """
    if len(axes) != 2:
        raise AnalysisError("axes_map needs the embeddings of two texts, one for each axis")
    return AxesMap(np.asarray(axes))


def map_frame(points: Points, fitted: Map) -> pd.DataFrame:
    """What is known of the points, with their places x and y on a map in front."""
    placed = fitted.place(points.vectors)
    frame = points.known.copy()
    frame.insert(0, "x", placed[:, 0])
    frame.insert(1, "y", placed[:, 1])
    return frame


def checked_vectors(vectors: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """The vectors as float32.

    Raises:
      AnalysisError: they are too few for a map, or not finite.
    """
    vectors = np.asarray(vectors)
    if vectors.ndim != 2 or len(vectors) < FEWEST:
        raise AnalysisError(f"a map needs at least {FEWEST} vectors of one space")
    if not np.isfinite(vectors).all():
        raise AnalysisError("the vectors hold values that are not finite, so there is no map")
    return vectors.astype(np.float32)


def _pca(vectors: Float[np.ndarray, "n d"]) -> PcaMap:
    wide = vectors.astype(np.float64)
    mean = wide.mean(axis=0)
    values, directions = np.linalg.eigh(np.cov(wide - mean, rowvar=False, bias=True))
    first = directions[:, ::-1][:, :2].T
    farthest = np.abs(first).argmax(axis=1)
    signs = np.sign(first[np.arange(len(first)), farthest])
    total = max(float(values.clip(0).sum()), np.finfo(np.float64).tiny)
    return PcaMap(mean, first * signs[:, None], values[::-1][:2].clip(0) / total)


def _memberships(distance: Float[np.ndarray, "m k"]) -> Float[np.ndarray, "m k"]:
    """UMAP's weights of neighbours, which sum to 1: exp(-(d - d_nearest) / s).

    s is such that the weights before they are scaled sum to log2 of the number of neighbours.
    """
    beyond = distance - distance[:, :1]
    wanted = max(np.log2(distance.shape[1]), 1.0)
    low, high = np.zeros(len(distance)), np.full(len(distance), beyond.max() + 1e-12) * 1e3
    for _ in range(64):
        middle = (low + high) / 2
        total = np.exp(-beyond / middle[:, None]).sum(axis=1)
        low, high = np.where(total < wanted, middle, low), np.where(total < wanted, high, middle)
    weights = np.exp(-beyond / high[:, None])
    return weights / weights.sum(axis=1, keepdims=True)


def _umap(
    vectors: Float[np.ndarray, "n d"],
    seed: int,
    neighbours: int,
    min_dist: float,
    progress: Callable[[int, int], None] | None,
) -> Float[np.ndarray, "n 2"]:
    import umap  # here: it compiles for seconds

    report = progress or (lambda done, total: None)
    own = np.arange(len(vectors))
    near, distance = nearest_vectors(
        vectors,
        vectors,
        neighbours - 1,
        own=own,
        # Of 100 parts of the work, finding neighbours is said to be 30.
        progress=lambda done, total: report(30 * done // total, 100),
    )
    report(30, 100)
    layout = umap.UMAP(
        n_neighbors=neighbours,
        min_dist=min_dist,
        init="pca",
        random_state=seed,
        n_jobs=1,
        precomputed_knn=(
            np.concatenate([own[:, None], near], axis=1),
            np.concatenate([np.zeros((len(vectors), 1)), distance], axis=1).astype(np.float32),
        ),
        tqdm_kwds={
            "disable": False,  # or it reports nothing
            "file": _Told(report),
            "bar_format": "{n_fmt} {total_fmt}\n",
            "mininterval": 0.2,
        },
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of neighbours that were found elsewhere
        return np.asarray(layout.fit_transform(vectors), np.float64)


class _Told:
    """A file that tells `progress` of the bars written to it."""

    def __init__(self, report: Callable[[int, int], None]) -> None:
        self._report = report

    def write(self, text: str) -> int:
        numbers = text.split()
        if len(numbers) == 2 and all(number.isdigit() for number in numbers):
            done, total = map(int, numbers)
            self._report(30 + 70 * done // max(total, 1), 100)
        return len(text)

    def flush(self) -> None:
        pass
