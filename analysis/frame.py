"""A routing trace as a tidy pandas frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer
from scipy.special import entr

from analysis.arguments import check_trace
from analysis.characters import cleaned
from analysis.errors import AnalysisError
from limoe_core.trace import IMAGE, MODALITIES, OTHER, RoutingTrace


def to_frame(trace: RoutingTrace) -> pd.DataFrame:
    """The trace as a frame: one row per MoE layer, token and choice, in that order.

    Columns:
      layer: block number, counted from 1 (number of the router, where blocks have several).
      pair: index of the pair in the trace, counted from 0.
      modality: "image" or "text"; of a token that is neither its kind, such as "special".
      position: patch index in row-major order, or index in the text.
      token: the text piece, or "row,column" of the patch.
      choice: 0 for the token's first choice, 1 for its second, …
      expert: the expert chosen, counted from 0.
      gate: the gate value of that choice; NaN where the trace has none.
      dropped: whether the choice found no slot in the expert's buffer.
      entropy: of the token's whole gate distribution in this layer, in nats; see `token_entropy`.
      and one column for each entry of `trace.meta` (concept, category, language, style, …), the
      same for all tokens of a pair.

    Raises:
      AnalysisError: it is not a trace.
    """
    check_trace(trace)
    layers, tokens, choices = trace.expert.shape

    def per_token(values: np.ndarray) -> np.ndarray:
        return np.tile(np.repeat(values, choices), layers)

    columns: dict[str, np.ndarray] = {
        "layer": np.repeat(np.asarray(trace.layers, np.int64), tokens * choices),
        "pair": per_token(trace.pair.astype(np.int64)),
        "modality": per_token(modality_names(trace)),
        "position": per_token(trace.position.astype(np.int64)),
        "token": per_token(token_names(trace)),
        "choice": np.tile(np.arange(choices), layers * tokens),
        "expert": trace.expert.astype(np.int64).reshape(-1),
        "gate": gates(trace).reshape(-1),
        "dropped": trace.dropped.reshape(-1),
        "entropy": np.repeat(token_entropy(trace).reshape(-1), choices),
    }
    for key, values in trace.meta.items():
        if key not in columns:
            columns[key] = per_token(values[trace.pair])
    frame = pd.DataFrame(columns)
    made = trace.chose.reshape(-1)
    return frame if made.all() else frame[made].reset_index(drop=True)


def gates(trace: RoutingTrace) -> Float[np.ndarray, "L T K"]:
    """The gate value of each choice; NaN where the trace has none."""
    if trace.gate is None:
        return np.full(trace.expert.shape, np.nan)
    return trace.gate.astype(np.float64)


def modality_names(trace: RoutingTrace) -> np.ndarray:
    """(T,) str: "image" or "text" for each token, the kind's name where it is neither."""
    names = np.asarray([*MODALITIES, ""])[trace.modality]
    return np.where(trace.modality < OTHER, names, trace.token_kinds)


def token_names(trace: RoutingTrace, rows: Integer[np.ndarray, " n"] | None = None) -> np.ndarray:
    """(n,) str: the text piece, or "row,column" of a patch in its picture.

    Args:
      rows: of these tokens alone; of all by default.
    """
    chosen = np.arange(trace.num_tokens) if rows is None else rows
    names = trace.piece[chosen].astype(object)
    grid = patch_cells(trace)
    of_image = grid.row[chosen] >= 0
    cells = zip(grid.row[chosen][of_image], grid.column[chosen][of_image], strict=True)
    names[of_image] = [f"{row},{column}" for row, column in cells]
    return names.astype(str)


class Cells(NamedTuple):
    """Where each token lies in the grid of its picture; -1 for tokens of no picture, (T,)."""

    row: Integer[np.ndarray, " T"]
    column: Integer[np.ndarray, " T"]
    rows: Integer[np.ndarray, " T"]
    """Rows of the picture's grid."""
    columns: Integer[np.ndarray, " T"]


def patch_cells(trace: RoutingTrace) -> Cells:
    """The cell of each patch in its own picture's grid."""
    if trace.pictures is None or trace.picture is None:
        of_image = trace.token_kinds == MODALITIES[IMAGE]
        rows = columns = np.where(of_image, trace.grid, -1)
    else:
        of_image = trace.picture >= 0
        rows, columns = (
            np.where(of_image, side[trace.picture.clip(0)], -1) if len(side) else trace.picture
            for side in (trace.pictures.rows, trace.pictures.columns)
        )
    row, column = np.divmod(trace.position.astype(np.int64), np.maximum(columns, 1))
    return Cells(np.where(of_image, row, -1), np.where(of_image, column, -1), rows, columns)


def token_entropy(trace: RoutingTrace) -> Float[np.ndarray, "L T"]:
    """Entropy of each token's gate distribution in nats; 0·log 0 is 0.

    Scores that are no distribution, as of sigmoids, are divided by their sum first. NaN where the
    trace has no scores of all experts, and where a router had none for the token.
    """
    if trace.probs is None:
        return np.full((trace.num_layers, trace.num_tokens), np.nan)
    found = [entr(distribution(trace, layer)).sum(axis=-1) for layer in range(trace.num_layers)]
    return np.stack(found) if found else np.zeros((0, trace.num_tokens))


def distribution(trace: RoutingTrace, layer: int) -> Float[np.ndarray, "T E"]:
    """A layer's scores of all experts, as shares of their sum; NaN where there are none."""
    if trace.probs is None:
        return np.full((trace.num_tokens, trace.num_experts), np.nan)
    scores = trace.probs[layer].astype(np.float64)
    if trace.scoring == "softmax" and np.all(scores.sum(axis=-1) > 0):
        return scores
    total = scores.sum(axis=-1, keepdims=True)
    return np.divide(scores, total, out=np.full_like(scores, np.nan), where=total > 0)


def readable(trace: RoutingTrace, longest: int = 20_000) -> RoutingTrace:
    """The trace with texts that any browser accepts: none too long, no lone surrogates.

    Nothing changes in the trace of a run that was trained on plain text.

    Raises:
      AnalysisError: it is not a trace.
    """
    check_trace(trace)

    def clean(texts: np.ndarray) -> np.ndarray:
        return np.array([cleaned(str(text), longest) for text in texts], dtype=str)

    return replace(
        trace,
        captions=clean(trace.captions),
        piece=clean(trace.piece),
        meta={key: clean(values) for key, values in trace.meta.items()},
    )


def join_runs(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Frames of several runs joined, with a column run.

    Raises:
      AnalysisError: there are none, or not by name.
    """
    if not isinstance(frames, Mapping) or not frames:
        raise AnalysisError("join_runs needs a dict of frames by the run's name, at least one")
    return pd.concat([frame.assign(run=name) for name, frame in frames.items()], ignore_index=True)
