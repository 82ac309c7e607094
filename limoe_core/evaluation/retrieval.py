"""Retrieval both ways between pictures and texts, as results ready for JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Integer, Shaped

from limoe_core.config import ConfigError
from limoe_core.data.pairs import new_digest, spread
from limoe_core.evaluation.embedding import Encoder, Progress, embed_pictures, embed_texts, silent
from limoe_core.evaluation.intervals import retrieval_ranks, target_ranks
from limoe_core.evaluation.scoring import accuracies, cosines, guessing

if TYPE_CHECKING:
    from limoe_core.data.prepared_split import PreparedSplit

#: k of recall at k.
RECALL = (1, 5, 10)
#: Captions of a picture that count: COCO has five, and a few pictures have more.
CAPTIONS = 5
#: Pictures that are asked, at most.
MOST = 100_000
_READ_AT_ONCE = 4096


def retrieval_result(
    image_embeddings: Float[np.ndarray, "n d"],
    concept: Integer[np.ndarray, " n"],
    names: Mapping[str, Shaped[np.ndarray, " c"]],
    name_embeddings: Mapping[str, Float[np.ndarray, "c d"]],
    *,
    seed: int,
    headline: str = "en",
) -> dict[str, Any]:
    """Recall at 1, 5 and 10 both ways between pictures and the distinct names of their concepts.

    Image to text: is the picture's name among the k nearest names? Text to image: is any picture
    of that name among the k nearest pictures? `names` and `name_embeddings` hold all concepts,
    by language.
    """
    headline = headline if headline in names else next(iter(names))
    present = np.unique(concept)
    found: dict[str, dict[str, Any]] = {}
    for language, of_concept in names.items():
        folded = np.array([str(name).casefold() for name in of_concept])
        distinct, first = np.unique(folded[present], return_index=True)
        similarity = cosines(image_embeddings, name_embeddings[language][present[first]])
        to_text, to_image = retrieval_ranks(similarity, folded[concept], distinct)
        pictures = np.array([np.count_nonzero(folded[concept] == name) for name in distinct])
        found[language] = {
            "texts": len(distinct),
            "image_to_text": accuracies(to_text, concept, seed=seed, ks=RECALL, name="r"),
            "text_to_image": accuracies(
                to_image, np.arange(len(distinct)), seed=seed, ks=RECALL, name="r"
            ),
            "chance": {
                "image_to_text": _chance(np.ones(1, int), len(distinct)),
                "text_to_image": _chance(pictures, len(concept)),
            },
        }
    means = {
        way: {
            f"r{k}": float(np.mean([found[language][way][f"r{k}"]["value"] for language in found]))
            for k in RECALL
        }
        for way in ("image_to_text", "text_to_image")
    }
    return {
        "headline_language": headline,
        **found[headline],
        "mean_over_languages": means,
        "languages": found,
    }


def caption_retrieval_result(
    image_embeddings: Float[np.ndarray, "n d"],
    text_embeddings: Float[np.ndarray, "m d"],
    image_of_text: Integer[np.ndarray, " m"],
    *,
    seed: int,
    language: str = "en",
) -> dict[str, Any]:
    """Recall at 1, 5 and 10 both ways between pictures and their captions, several a picture.

    Image to text: is any of the picture's captions among the k nearest captions? Text to image,
    for each caption: is its picture among the k nearest pictures? A caption is right for its own
    picture alone, even where another picture has the same words; such ties count as misses.
    Intervals resample pictures, so that the captions of one stay together.

    Args:
      image_of_text: index of each caption's picture; every picture must have one.

    Returns: as `retrieval_result`.
    """
    pictures = np.arange(len(image_embeddings))
    to_text = _ranks_in_blocks(image_embeddings, text_embeddings, pictures, image_of_text)
    to_image = _ranks_in_blocks(text_embeddings, image_embeddings, image_of_text, pictures)
    found: dict[str, Any] = {
        "texts": len(image_of_text),
        "image_to_text": accuracies(to_text, pictures, seed=seed, ks=RECALL, name="r"),
        "text_to_image": accuracies(to_image, image_of_text, seed=seed, ks=RECALL, name="r"),
        "chance": {
            "image_to_text": _chance(
                np.bincount(image_of_text, minlength=len(pictures)), len(image_of_text)
            ),
            "text_to_image": _chance(np.ones(1, int), len(pictures)),
        },
    }
    means = {
        way: {f"r{k}": found[way][f"r{k}"]["value"] for k in RECALL}
        for way in ("image_to_text", "text_to_image")
    }
    return {
        "headline_language": language,
        **found,
        "mean_over_languages": means,
        "languages": {language: found},
    }


def _chance(right: Integer[np.ndarray, " q"], candidates: int) -> dict[str, float]:
    """Recall of a random order of the candidates, of which so many are right for each query."""
    return {f"r{k}": guessing(right, candidates, k) for k in RECALL}


def _ranks_in_blocks(
    queries: Float[np.ndarray, "q d"],
    candidates: Float[np.ndarray, "c d"],
    label_of_query: Integer[np.ndarray, " q"],
    label_of_candidate: Integer[np.ndarray, " c"],
    block: int = 512,
) -> Integer[np.ndarray, " q"]:
    """`target_ranks` of many queries, whose similarities would not fit into memory at once."""
    ranks = [
        target_ranks(
            cosines(queries[at : at + block], candidates),
            label_of_query[at : at + block, None] == label_of_candidate,
        )
        for at in range(0, len(queries), block)
    ]
    return np.concatenate([np.zeros(0, np.int64), *ranks])


def evaluate_retrieval(
    model: Encoder,
    test: PreparedSplit,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Retrieval both ways between a split's pictures and their captions.

    All are found, but of a very large split so many as can be compared, spread evenly over it.

    Args:
      test: surveyed.

    Raises:
      ConfigError: no picture has a caption.
    """
    texts: list[str] = []
    image_of_text: list[int] = []
    places: list[int] = []
    chosen = spread(len(test), MOST)
    for start in range(0, len(chosen), _READ_AT_ONCE):
        block = chosen[start : start + _READ_AT_ONCE]
        for place, captions in zip(block.tolist(), test.captions(block), strict=True):
            own = [caption for caption in captions if caption.strip()][:CAPTIONS]
            if own:  # A picture without a caption can be neither asked for nor about.
                image_of_text += [len(places)] * len(own)
                places.append(place)
                texts += own
    if not places:
        raise ConfigError(f"no picture of the split {test.split} of {test.name} has a caption")
    pictures = embed_pictures(
        model,
        test.pictures,
        np.array(places),
        label=f"pictures of {test.split}",
        progress=progress,
    )
    result = caption_retrieval_result(
        pictures,
        embed_texts(model, texts, label=f"captions of {test.split}", progress=progress),
        np.array(image_of_text),
        seed=seed,
    )
    asked = new_digest()
    asked.update(json.dumps([test.content, places, texts, image_of_text]).encode())
    return {
        "digest": asked.hexdigest(),
        "n": len(places),
        "captions_per_image": CAPTIONS,
        "resampled": "pictures",
        **result,
    }
