"""Labels of tokens that routing can be compared with."""

from __future__ import annotations

import re

import numpy as np
from jaxtyping import Shaped

from analysis.arguments import check_trace
from analysis.errors import AnalysisError
from analysis.frame import token_names
from analysis.scripts import script
from limoe_core.trace import IMAGE, TEXT, RoutingTrace

#: The mark that SentencePiece puts before a word.
WORD_MARK = "\u2581"

_BYTES = re.compile(r"(?:<0x[0-9A-F]{2}>)+")

#: Labels that every trace has; `trace.meta` gives more.
TOKEN_LABELS = ("script", "piece", "word", "position")


def token_labels(trace: RoutingTrace, by: str) -> Shaped[np.ndarray, " T"]:
    """The label of each token as (T,) str, "" where it has none.

    Args:
      by: "script", "piece" or "word" of a text token; "position", of a patch in the picture
        ("row,column") and of a piece in the text ("0", "1", …); or an entry of `trace.meta`, as
        "category", which every token of a pair shares.

    Raises:
      AnalysisError: for a label that the trace does not have, or what is not a trace.
    """
    check_trace(trace)
    text = trace.modality == TEXT
    if by == "script":
        return np.where(text, np.array([script(piece) for piece in trace.piece], np.str_), "")
    if by == "piece":
        return np.where(text, trace.piece, "")
    if by == "word":
        return words(trace)
    if by == "position":
        in_text = np.where(text, trace.position.astype(np.str_), "")
        return np.where(trace.modality == IMAGE, token_names(trace), in_text)
    if by in trace.meta:
        return trace.meta[by][trace.pair].astype(np.str_)
    have = ", ".join((*TOKEN_LABELS, *trace.meta))
    raise AnalysisError(f"the trace has no label {by!r} for its tokens; it has {have}")


def words(trace: RoutingTrace) -> Shaped[np.ndarray, " T"]:
    """The word that each text token is part of, as (T,) str; "" for patches.

    Word marks are left out. Chinese and Japanese are written without spaces, so there a "word" can
    be a whole phrase.
    """
    found = [""] * trace.num_tokens
    group: list[int] = []

    def close() -> None:
        whole = "".join(str(trace.piece[token]) for token in group).replace(WORD_MARK, "")
        whole = _BYTES.sub(_decoded, whole)
        for token in group:
            found[token] = whole
        group.clear()

    for token in np.flatnonzero(trace.modality == TEXT):
        starts = str(trace.piece[token]).startswith(WORD_MARK) or trace.position[token] == 0
        if group and (starts or trace.pair[token] != trace.pair[group[-1]]):
            close()
        group.append(int(token))
    if group:
        close()
    return np.array(found, dtype=np.str_)


def _decoded(run: re.Match[str]) -> str:
    """Byte pieces decoded to characters, or unchanged if they are not UTF-8."""
    try:
        return bytes.fromhex(run.group().replace("<0x", "").replace(">", "")).decode()
    except UnicodeDecodeError:
        return run.group()


def layer_index(trace: RoutingTrace, layer: int) -> int:
    """Index of a block number among the trace's layers.

    Raises:
      AnalysisError: that block is not an MoE layer of the trace, or it is not a trace.
    """
    check_trace(trace)
    where = np.flatnonzero(trace.layers == layer)
    if not len(where):
        have = ", ".join(map(str, trace.layers.tolist())) or "none (a dense twin)"
        raise AnalysisError(f"block {layer!r} holds no mixture of experts; those that do: {have}")
    return int(where[0])


def modality_code(modality: str) -> int:
    """0 for "image", 1 for "text".

    Raises:
      AnalysisError: for anything else.
    """
    if modality not in ("image", "text"):
        raise AnalysisError(f"modality must be 'image' or 'text', not {modality!r}")
    return IMAGE if modality == "image" else TEXT
