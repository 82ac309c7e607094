"""Where in the picture an expert's patches lie, and whether place has anything to do with it.

Neighbouring patches look alike and are routed alike, so places are not shuffled patch by patch,
which would make a null far too narrow. Every picture's grid of decisions is moved as a whole, by an
amount of its own and around the edges: what lies together stays together, and where is lost.
Pictures of one concept have their things in the same place, so they are moved together.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer, Num

from analysis.arguments import check_count, check_expert
from analysis.frame import Cells, patch_cells
from analysis.labels import layer_index
from analysis.resampling import units
from limoe_core.trace import IMAGE, RoutingTrace

#: Sides of the grid that pictures with grids of their own are laid over.
_COMMON = 8


def position_map(trace: RoutingTrace, layer: int, expert: int) -> Float[np.ndarray, "rows columns"]:
    """Share of the patches at each grid cell whose first choice is the expert.

    Pictures whose grids differ are laid over one of at most 8 × 8 cells. NaN throughout for a trace
    without pictures.

    Raises:
      AnalysisError: for an unknown layer or expert.
    """
    index = layer_index(trace, layer)
    check_expert(trace, expert)
    grid = _Grid.of(trace)
    routed = (grid.places() >= 0) & trace.chose[index, :, 0]
    counts = _counts(grid.places()[routed], trace.expert[index, routed, 0], grid.size, trace)
    return _shares(counts)[:, expert].reshape(grid.rows, grid.columns)


def position_frame(
    trace: RoutingTrace, layer: int, *, samples: int = 200, seed: int = 0
) -> pd.DataFrame:
    """`position_map` of every expert, with intervals and what it would be without any place.

    Args:
      samples: resamples of pairs, or of concepts where several pairs show one, for the interval,
        and as many random moves of every picture's decisions, those of a concept together, for
        the null; 0 for neither.

    Returns: one row per expert and cell, with columns expert, row, column, share, low, high (its
      95 % interval), null_low, null_high (what 95 % of the shares at this cell lie between with
      decisions that were moved), most_beyond (so many cells of this expert, or fewer, lie beyond
        these ends in 95 % of the moves: of many cells some do by chance, and neighbours together),
      patches (at the cell).

    Raises:
      AnalysisError: for an unknown layer, what is not a trace, or `samples` below 0.
    """
    check_count(samples, "samples", 0)
    index = layer_index(trace, layer)
    grid = _Grid.of(trace)
    at, experts = grid.places(), trace.num_experts
    routed = (at >= 0) & trace.chose[index, :, 0]
    chosen, size = trace.expert[index, routed, 0].astype(np.int64), grid.size
    share = _shares(_counts(at[routed], chosen, size, trace))
    low, high, null_low, null_high = np.full((4, size, experts), np.nan)
    most = np.full(experts, np.nan)
    if samples and routed.any():
        by_pair = np.zeros((trace.num_pairs, size, experts), np.int64)
        np.add.at(by_pair, (trace.pair[routed], at[routed], chosen), 1)
        low, high = _middle(_shares(units(trace).resampled(by_pair, samples, seed)))
        rng = np.random.default_rng(seed)
        moved = np.stack(
            [
                _shares(_counts(grid.places(rng)[routed], chosen, size, trace))
                for _ in range(samples)
            ]
        )
        null_low, null_high = _middle(moved)
        beyond = (moved < null_low) | (moved > null_high)
        most = np.quantile(beyond.sum(axis=1), 0.95, axis=0, method="higher").astype(np.float64)
    patches = np.bincount(at[at >= 0], minlength=size)
    rows, columns = np.divmod(np.arange(size), grid.columns)
    return pd.DataFrame(
        {
            "expert": np.repeat(np.arange(experts), size),
            "row": np.tile(rows, experts),
            "column": np.tile(columns, experts),
            "share": share.T.reshape(-1),
            "low": low.T.reshape(-1),
            "high": high.T.reshape(-1),
            "null_low": null_low.T.reshape(-1),
            "null_high": null_high.T.reshape(-1),
            "most_beyond": np.repeat(most, size),
            "patches": np.tile(patches, experts),
        }
    )


def places_beyond(maps: pd.DataFrame) -> pd.DataFrame:
    """How many cells of each expert's map lie beyond chance, and how many do by chance.

    Args:
      maps: `position_frame`.

    Returns: one row per expert, with columns expert, beyond (cells whose share lies beyond null_low
      and null_high), most_beyond, cells, more (whether beyond is more than most_beyond).
    """
    out = (maps["share"] < maps["null_low"]) | (maps["share"] > maps["null_high"])
    found = (
        maps.assign(beyond=out)
        .groupby("expert")
        .agg(
            beyond=("beyond", "sum"),
            most_beyond=("most_beyond", "first"),
            cells=("null_low", "count"),
        )
        .reset_index()
    )
    return found.assign(more=found["beyond"] > found["most_beyond"])


class _Grid(NamedTuple):
    """A grid that all pictures share."""

    cells: Cells
    of_image: np.ndarray
    """(T,) bool: patches."""
    unit: Integer[np.ndarray, " T"]
    """The concept of each token where several pairs show one, else its pair."""
    rows: int
    columns: int

    @classmethod
    def of(cls, trace: RoutingTrace) -> _Grid:
        cells = patch_cells(trace)
        of_image = (cells.row >= 0) & (trace.modality == IMAGE)
        sides = []
        for side in (cells.rows, cells.columns):
            found = np.unique(side[of_image])
            common = int(found[0]) if len(found) == 1 else min(_COMMON, *found, _COMMON)
            sides.append(int(common) if len(found) else max(trace.grid, 1))
        return cls(cells, of_image, units(trace).of_pair[trace.pair], *sides)

    @property
    def size(self) -> int:
        """Cells."""
        return math.prod((self.rows, self.columns))

    def places(self, rng: np.random.Generator | None = None) -> Integer[np.ndarray, " T"]:
        """The cell of each patch, -1 for other tokens.

        Args:
          rng: moves every unit's patches, around the edges of their own grids.
        """
        at = []
        for place, side, common in (
            (self.cells.row, self.cells.rows, self.rows),
            (self.cells.column, self.cells.columns, self.columns),
        ):
            sides = np.maximum(side, 1)
            if rng is not None:
                by = rng.random(int(self.unit.max(initial=-1)) + 1)[self.unit]
                place = (place + (by * sides).astype(np.int64)) % sides
            at.append(place * common // sides)
        return np.where(self.of_image, at[0] * self.columns + at[1], -1)


def _counts(
    places: Integer[np.ndarray, " t"],
    chosen: Integer[np.ndarray, " t"],
    size: int,
    trace: RoutingTrace,
) -> Integer[np.ndarray, "cells E"]:
    experts = trace.num_experts
    cell = places * experts + chosen.astype(np.int64)
    return np.bincount(cell, minlength=size * experts).reshape(size, experts)


def _shares(counts: Num[np.ndarray, "*b cells E"]) -> Float[np.ndarray, "*b cells E"]:
    """Of the patches at each cell; NaN where there is none."""
    total = counts.sum(axis=-1, keepdims=True)
    return np.divide(counts, total, out=np.full(counts.shape, np.nan), where=total > 0)


def _middle(
    shares: Float[np.ndarray, "samples cells E"],
) -> tuple[Float[np.ndarray, "cells E"], Float[np.ndarray, "cells E"]]:
    """What 95 % lie between; NaN where some sample has no patch at the cell."""
    low, high = np.quantile(shares, [0.025, 0.975], axis=0)
    return low, high
