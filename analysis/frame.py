"""A routing trace as a tidy pandas frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.special import entr

from analysis.arguments import check_trace
from analysis.characters import cleaned
from analysis.errors import AnalysisError
from limoe_core.trace import IMAGE, MODALITIES, RoutingTrace


def to_frame(trace: RoutingTrace) -> pd.DataFrame:
    """The trace as a frame: one row per MoE layer, token and choice, in that order.

    Columns:
      layer: block number, counted from 1.
      pair: index of the pair in the trace, counted from 0.
      modality: "image" or "text".
      position: patch index in row-major order, or index in the text.
      token: the text piece, or "row,column" of the patch.
      choice: 0 for the token's first choice, 1 for its second, …
      expert: the expert chosen, counted from 0.
      gate: the gate value of that choice.
      dropped: whether the choice found no slot in the expert's buffer.
      entropy: of the token's whole gate distribution in this layer, in nats.
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
        "gate": trace.gate.astype(np.float64).reshape(-1),
        "dropped": trace.dropped.reshape(-1),
        "entropy": np.repeat(token_entropy(trace).reshape(-1), choices),
    }
    for key, values in trace.meta.items():
        if key not in columns:
            columns[key] = per_token(values[trace.pair])
    return pd.DataFrame(columns)


def modality_names(trace: RoutingTrace) -> np.ndarray:
    """(T,) str: "image" or "text" for each token."""
    return np.asarray(MODALITIES)[trace.modality]


def token_names(trace: RoutingTrace) -> np.ndarray:
    """(T,) str: the text piece, or "row,column" of a patch."""
    patches = np.array([f"{i // trace.grid},{i % trace.grid}" for i in range(trace.grid**2)])
    names = trace.piece.astype(object)
    of_image = trace.modality == IMAGE
    names[of_image] = patches[trace.position[of_image]]
    return names.astype(str)


def token_entropy(trace: RoutingTrace) -> Float[np.ndarray, "L T"]:
    """Entropy of each token's gate distribution in nats; 0·log 0 is 0."""
    return entr(trace.probs.astype(np.float64)).sum(axis=-1)


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
