"""How near a picture and a text lie, and how they rank among others."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from analysis.arguments import check_trace
from analysis.errors import AnalysisError
from limoe_core.trace import RoutingTrace


def pair_similarity(
    trace: RoutingTrace, others: RoutingTrace | None = None, *, picture: int | None = None
) -> pd.DataFrame:
    """Cosine similarity of a pair's picture and text, and its ranks among other pairs.

    Texts are told apart by what they say: others with the same text do not count, and one that
    several pairs have counts once, at its most similar. By chance a rank is as often 1 as any other
    number up to n.

    Args:
      trace: of one pair.
      others: of the pairs to rank it among, by the same model.
      picture: the pair of `others` that shows this very picture, which does not count again.

    Returns: one row, with columns caption, similarity (NaN where the pair has no picture or no
      text); text_rank, texts: the place of this text among n texts for this picture, itself
      included; picture_rank, pictures: the place of this picture among n for this text; missing
      without `others`.

    Raises:
      AnalysisError: the trace is of several pairs, or `picture` is none of `others`.
    """
    check_trace(trace)
    if trace.num_pairs != 1:
        raise AnalysisError(f"the similarity of one pair is asked, and these are {trace.num_pairs}")
    image, text = trace.image_embeddings[0], trace.text_embeddings[0]
    whole = bool(np.any(image)) and bool(np.any(text))
    similarity = _cosine(image[None], text)[0] if whole else float("nan")
    row: dict[str, object] = {"caption": str(trace.captions[0]), "similarity": float(similarity)}
    row |= dict.fromkeys(("text_rank", "texts", "picture_rank", "pictures"), pd.NA)
    if whole and others is not None:
        check_trace(others)
        if picture is not None and not 0 <= picture < others.num_pairs:
            raise AnalysisError(f"picture {picture} is none of the {others.num_pairs} other pairs")
        different = np.array([str(each) != str(trace.captions[0]) for each in others.captions])
        texts = _best_of_each(_cosine(others.text_embeddings, image), others.captions, different)
        shown = np.arange(others.num_pairs) != picture
        pictures = _cosine(others.image_embeddings, text)[shown]
        row |= {
            "text_rank": 1 + int(np.sum(texts > similarity)),
            "texts": 1 + len(texts),
            "picture_rank": 1 + int(np.sum(pictures > similarity)),
            "pictures": 1 + len(pictures),
        }
    whole_numbers = dict.fromkeys(("text_rank", "texts", "picture_rank", "pictures"), "Int64")
    return pd.DataFrame([row]).astype(whole_numbers)


def _cosine(
    many: Float[np.ndarray, "n d"], one: Float[np.ndarray, " d"]
) -> Float[np.ndarray, " n"]:
    lengths = np.linalg.norm(many.astype(np.float64), axis=1) * np.linalg.norm(one)
    products = many.astype(np.float64) @ one.astype(np.float64)
    return np.divide(products, lengths, out=np.zeros(len(many)), where=lengths > 0)


def _best_of_each(
    similarity: Float[np.ndarray, " n"], texts: np.ndarray, counted: Bool[np.ndarray, " n"]
) -> Float[np.ndarray, " m"]:
    """The largest similarity of each text that counts."""
    best: dict[str, float] = {}
    for value, text in zip(similarity[counted], texts[counted], strict=True):
        best[str(text)] = max(float(value), best.get(str(text), -2.0))
    return np.array(list(best.values()))
