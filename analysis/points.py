"""Points for a map: embeddings of pictures and texts, or tokens, with what is known of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer

from analysis.arguments import check_count, check_pairs, check_trace
from analysis.errors import AnalysisError
from analysis.frame import modality_names, token_names
from analysis.labels import layer_index
from limoe_core.trace import IMAGE, MODALITIES, TEXT, RoutingTrace

if TYPE_CHECKING:
    from limoe_core.inference import LoadedModel


@dataclass(frozen=True, eq=False)
class Points:
    """n points of one space, and what is known of each."""

    vectors: Float[np.ndarray, "n d"]
    known: pd.DataFrame
    """One row a point: modality ("image" or "text"), pair (its number), label (the concept's name
    for a picture, the text for a text, the piece or "row,column" for a token), the pair's meta, and
    a column "block L" for each MoE layer with the expert, from 0."""

    @property
    def labels(self) -> list[str]:
        """Columns that points can be coloured by, modality first and experts last."""
        names = [str(name) for name in self.known]
        plain = [name for name in names if name in ("category", "style", "language", "split")]
        return ["modality", *plain, *(name for name in names if name.startswith("block "))]


def pair_points(trace: RoutingTrace) -> Points:
    """The embeddings of a trace's pictures, then of its texts: 2N points where pairs have both.

    The expert of a point is the one that most tokens of that picture, or of that text, have as
    their first choice; of equals the one with the lower number, and -1 where there are no tokens.

    Raises:
      AnalysisError: it is no trace, or holds no embeddings.
    """
    check_trace(trace)
    vectors = np.concatenate([trace.image_embeddings, trace.text_embeddings])
    if not vectors.size or not np.isfinite(vectors).all():
        raise AnalysisError("the trace holds no embeddings of its pairs, so there is no map of it")
    there = vectors.any(axis=1)  # zeros stand for a picture or a text that a pair lacks
    return Points(
        vectors[there], pair_rows(trace).iloc[np.flatnonzero(there)].reset_index(drop=True)
    )


def pair_rows(trace: RoutingTrace) -> pd.DataFrame:
    """What is known of a trace's pictures, then of its texts: `Points.known` of `pair_points`.

    Raises:
      AnalysisError: it is no trace.
    """
    check_trace(trace)
    pairs = np.arange(trace.num_pairs)
    names = trace.meta.get("name", trace.captions)
    rows = {
        "modality": np.repeat(MODALITIES, trace.num_pairs),
        "pair": np.tile(pairs, 2),
        "label": np.concatenate([names, trace.captions]).astype(object),
        **{name: np.tile(values.astype(object), 2) for name, values in trace.meta.items()},
    }
    for layer, block in enumerate(trace.layers):
        majority = [_majority(trace, layer, code) for code in (IMAGE, TEXT)]
        rows[f"block {block}"] = np.concatenate(majority)
    return pd.DataFrame(rows)


def same_pairs(trace: RoutingTrace, other: RoutingTrace) -> bool:
    """Whether two traces are of the same pairs in the same order, as far as they tell."""
    return trace.num_pairs == other.num_pairs and _told_of(trace) == _told_of(other)


def _told_of(trace: RoutingTrace) -> list[list[str] | None]:
    """What a trace tells of its pairs."""
    said = (trace.captions, trace.meta.get("concept"), trace.meta.get("style"))
    return [None if each is None else each.tolist() for each in said]


def token_points(trace: RoutingTrace, layer: int) -> Points:
    """The router's inputs of one layer, a point for each token.

    Args:
      trace: from `model.trace(…, hidden=True)`.
      layer: block number.

    Raises:
      AnalysisError: it is no trace, keeps no inputs, or has no mixture of experts in that block.
    """
    place = layer_index(trace, layer)
    if trace.hidden is None:
        raise AnalysisError("a map of tokens needs the routers' inputs: trace with hidden=True")
    rows: dict[str, Any] = {
        "modality": modality_names(trace),
        "pair": trace.pair.astype(np.int64),
        "label": token_names(trace).astype(object),
        **{name: values.astype(object)[trace.pair] for name, values in trace.meta.items()},
    }
    for at, block in enumerate(trace.layers):
        rows[f"block {block}"] = trace.expert[at, :, 0].astype(np.int64)
    return Points(trace.hidden[place].astype(np.float32), pd.DataFrame(rows))


def embedded_points(
    model: LoadedModel,
    images: Sequence[Any],
    texts: Sequence[str],
    meta: Mapping[str, Sequence[str]],
    *,
    portion: int = 64,
    progress: Callable[[int, int], None] | None = None,
) -> Points:
    """`pair_points` of any number of pairs, traced in portions.

    Args:
      images, texts, meta: as `analysis.data_pairs` gives them.
      portion: pairs in one forward pass.
      progress: called with (done, total) pairs.

    Raises:
      AnalysisError: there are no pairs, or not as many pictures as texts.
    """
    check_pairs(images, texts)
    check_count(len(images), "the number of pairs")
    parts = []
    for start in range(0, len(images), portion):
        if progress is not None:
            progress(start, len(images))
        part = slice(start, start + portion)
        some = {name: list(values[part]) for name, values in meta.items()}
        trace = model.trace(list(images[part]), list(texts[part]), meta=some)
        parts.append(pair_points(trace))
        parts[-1].known["pair"] += start
    halves = [_half(parts, modality) for modality in MODALITIES]
    return Points(
        np.concatenate([vectors for vectors, _ in halves]),
        pd.concat([known for _, known in halves], ignore_index=True),
    )


def _half(parts: Sequence[Points], modality: str) -> tuple[np.ndarray, pd.DataFrame]:
    of_it = [part.known["modality"].to_numpy() == modality for part in parts]
    vectors = [part.vectors[mask] for part, mask in zip(parts, of_it, strict=True)]
    known = [part.known[mask] for part, mask in zip(parts, of_it, strict=True)]
    return np.concatenate(vectors), pd.concat(known, ignore_index=True)


def _majority(trace: RoutingTrace, layer: int, code: int) -> Integer[np.ndarray, " N"]:
    """The first choice of most tokens of each picture or text; -1 where it has no tokens."""
    mine = (trace.modality == code) & (trace.expert[layer, :, 0] >= 0)
    counts = np.zeros((trace.num_pairs, trace.num_experts), np.int64)
    np.add.at(counts, (trace.pair[mine], trace.expert[layer, mine, 0].astype(np.int64)), 1)
    return np.where(counts.sum(axis=1) > 0, counts.argmax(axis=1), -1)


def added_points(
    points: Points,
    pictures: Float[np.ndarray, "p d"],
    texts: Float[np.ndarray, "t d"],
    names: Sequence[str],
) -> Points:
    """The points and others behind them, of pictures and then of texts, which belong to no pair.

    Args:
      names: of the pictures and of the texts, in their order.

    Raises:
      AnalysisError: there are not as many names.
    """
    count = len(pictures) + len(texts)
    if len(names) != count:
        raise AnalysisError(f"there are {count:,} further points but {len(names):,} names")
    known = points.known
    names_of_columns = [str(name) for name in known]
    of_experts = [name for name in names_of_columns if name.startswith("block ")]
    rows: dict[str, Any] = dict.fromkeys(names_of_columns, "")
    rows |= {"pair": -1, "label": list(names), **dict.fromkeys(of_experts, -1)}
    rows["modality"] = np.repeat(MODALITIES, [len(pictures), len(texts)])
    further = pd.DataFrame(rows, index=range(count)).astype(known.dtypes.to_dict())
    return Points(
        np.concatenate([points.vectors, pictures, texts]),
        pd.concat([known, further], ignore_index=True),
    )


def nearest_points(points: Points, place: int, count: int = 8) -> pd.DataFrame:
    """The points most similar to one of them, by cosine, `count` of each modality.

    Returns: columns rank (within the modality, from 1), of (how many there are of it), similarity,
      same_pair, then what is known of the point; its row in `points` is the index. The other half
      of the point's pair is among them whatever its rank.

    Raises:
      AnalysisError: there is no such point.
    """
    check_count(count, "count")
    if not 0 <= place < len(points.vectors):
        raise AnalysisError(f"there is no point {place}; they are 0 to {len(points.vectors) - 1}")
    vectors = points.vectors.astype(np.float64)
    length = np.linalg.norm(vectors, axis=1)
    similarity = vectors @ vectors[place] / (length * length[place]).clip(np.finfo(float).tiny)
    pair = points.known["pair"].to_numpy()
    modality = points.known["modality"].to_numpy()
    parts = []
    for each in MODALITIES:
        mine = np.flatnonzero((modality == each) & (np.arange(len(pair)) != place))
        order = mine[np.argsort(-similarity[mine], kind="stable")]
        partner = (pair[order] == pair[place]) & (pair[place] >= 0) & (each != modality[place])
        shown = np.flatnonzero((np.arange(len(order)) < count) | (partner & (partner.sum() == 1)))
        part = points.known.iloc[order[shown]].copy()
        part.insert(0, "rank", shown + 1)
        part.insert(1, "of", len(order))
        part.insert(2, "similarity", similarity[order[shown]])
        part.insert(3, "same_pair", pair[order[shown]] == pair[place])
        parts.append(part)
    return pd.concat(parts)
