"""Zero-shot classification and search with any pictures, labels and template."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer
from scipy.special import softmax

from analysis.errors import AnalysisError
from limoe_core import arguments
from limoe_core.evaluation.intervals import wilson_interval

if TYPE_CHECKING:
    from limoe_core.inference import LoadedModel

#: Where a label goes in a prompt template.
SLOT = "{}"


def classify(
    model: LoadedModel,
    images: Sequence[Any],
    labels: Sequence[str],
    *,
    template: str = SLOT,
    names: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Probabilities of labels for pictures.

    The softmax, over the labels, of cosine similarity / learned temperature.

    Args:
      images: pictures of any size, as `model.encode_images` takes them.
      labels: the classes, in any language, none twice.
      template: prompt with one `{}` where the label goes.
      names: names of the pictures; their numbers by default.

    Returns: see `classification_frame`.

    Raises:
      AnalysisError: for no label, a repeated label, two that read the same to the model, or a
        template without `{}`.
    """
    texts = prompts(labels, template)
    labels = list(labels)
    for later, first in read_as_one(model, texts).items():
        raise AnalysisError(
            f"the labels {labels[first]!r} and {labels[later]!r} read the same to this model; give "
            "one of them"
        )
    called = list(names) if names is not None else [str(i) for i in range(len(images))]
    return classification_frame(
        embed_pictures(model, images),
        embed_texts(model, texts),
        temperature(model),
        names=called,
        labels=labels,
        texts=texts,
    )


def embed_pictures(
    model: LoadedModel,
    pictures: Sequence[Any],
    *,
    portion: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Float[np.ndarray, "n d"]:
    """Embeddings of pictures, by default each alone, so that one size of input is compiled.

    Args:
      pictures: as `model.encode_images` takes them.
      portion: pictures in one forward pass.
      progress: called with (done, total) pictures.

    Raises:
      TypeError: it is a single picture.
      limoe_core.data.preprocess.PictureError: one of them is not a picture.
    """
    arguments.check_several_pictures(pictures, "embed_pictures")
    found = [model.encode_images([])]
    for start in range(0, len(pictures), portion):
        if progress is not None:
            progress(start, len(pictures))
        found.append(model.encode_images(list(pictures[start : start + portion])))
    return np.concatenate(found)


def embed_texts(
    model: LoadedModel,
    texts: Sequence[str],
    *,
    portion: int = 16,
    progress: Callable[[int, int], None] | None = None,
) -> Float[np.ndarray, "n d"]:
    """Embeddings of texts, in portions filled up with nothing, so that one size is compiled.

    Args:
      portion: texts in one forward pass.
      progress: called with (done, total) texts.

    Raises:
      TypeError: it is a single text, or one of them is no text.
    """
    texts = arguments.texts(texts, "embed_texts")
    found = [model.encode_texts([])]
    for start in range(0, len(texts), portion):
        if progress is not None:
            progress(start, len(texts))
        some = texts[start : start + portion]
        found.append(model.encode_texts(some + [""] * (portion - len(some)))[: len(some)])
    return np.concatenate(found)


def prompts(labels: Sequence[str], template: str = SLOT) -> list[str]:
    """The texts to embed: each label put into the template.

    Raises:
      AnalysisError: for no label, a single text instead of a list, a repeated label, or a template
        without exactly one `{}`.
    """
    if isinstance(labels, str):
        raise AnalysisError(f"labels must be a list of texts, not the text {labels[:60]!r}")
    labels = list(labels)
    if not labels:
        raise AnalysisError("classification needs at least one label")
    twice = [label for label, count in Counter(labels).items() if count > 1]
    if twice:
        raise AnalysisError(f"the label {twice[0]!r} is given twice; each class needs its own text")
    if template.count(SLOT) != 1:
        raise AnalysisError(
            f"the template {template!r} must hold {{}} once, where the label goes, as in "
            "'a picture of {}'"
        )
    before, after = template.split(SLOT)
    return [f"{before}{label}{after}" for label in labels]


def told_apart(model: LoadedModel, labels: Sequence[str], template: str = SLOT) -> list[str]:
    """The labels without those that read the same to the model as an earlier one.

    As "Apple" and "apple" do: each would take a share of the probability of the same class.

    Raises:
      AnalysisError: as `prompts`.
    """
    labels = list(labels)
    same = read_as_one(model, prompts(labels, template))
    return [label for place, label in enumerate(labels) if place not in same]


def read_as_one(model: LoadedModel, texts: Sequence[str]) -> dict[int, int]:
    """The first text that each later one reads the same as to the model, by their places."""
    first: dict[bytes, int] = {}
    ids = model.tokenizer.encode(texts, model.config.model.text_length)
    places = [first.setdefault(row.tobytes(), place) for place, row in enumerate(ids)]
    return {place: seen for place, seen in enumerate(places) if place != seen}


def temperature(model: LoadedModel) -> float:
    """The learned temperature that divides the model's cosine similarities."""
    return float(model.functional.bind(model.params).temperature)


def classification_frame(
    images: Float[np.ndarray, "n d"],
    texts_embedded: Float[np.ndarray, "c d"],
    temperature: float,
    *,
    names: Sequence[str],
    labels: Sequence[str],
    texts: Sequence[str],
) -> pd.DataFrame:
    """One row per picture and label, the most probable first, from unit vectors.

    Columns: picture (its number), name, rank (from 1), label, text (the prompt), similarity
    (cosine), probability (over the labels given; they sum to 1 for each picture), chance (what each
    label has of a model that knows nothing).
    """
    similarity = images.astype(np.float64) @ texts_embedded.astype(np.float64).T
    probability = probabilities(similarity, temperature)
    order = np.argsort(-similarity, axis=1, kind="stable")
    pictures, classes = similarity.shape
    flat = order.reshape(-1)
    rows = np.repeat(np.arange(pictures), classes)
    return pd.DataFrame(
        {
            "picture": rows,
            "name": np.array(list(names), object)[rows],
            "rank": np.tile(np.arange(1, classes + 1), pictures),
            "label": np.array(list(labels), object)[flat],
            "text": np.array(list(texts), object)[flat],
            "similarity": similarity[rows, flat],
            "probability": probability[rows, flat],
            "chance": 1 / max(1, classes),
        }
    )


def right_first(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """How many pictures have their own name first, and how many a model without eyes would.

    Such a model may prefer some labels to others. So its number is what is right when every picture
    has the answer to another one, in all orders alike.

    Args:
      frame: `classification_frame`.
      names: the right name of each picture, in their order; "" where it is not known.

    Returns: one row, with columns pictures (whose name is among the labels, letter case aside),
      right, low, high (ends of the 95 % interval of right / pictures, Wilson's), chance (right of
      such a model, on average), guessing (right of one that draws labels evenly).

    Raises:
      AnalysisError: there are not as many names as pictures.
    """
    pictures = frame["picture"].nunique()
    if len(names) != pictures:
        raise AnalysisError(f"there are {pictures} pictures and {len(names)} names")
    labels = {str(label).casefold() for label in frame["label"]}
    wanted = [(place, name.casefold()) for place, name in enumerate(names)]
    asked = [(place, name) for place, name in wanted if name in labels]
    first = frame[frame["rank"] == 1].set_index("picture")["label"]
    answers = [str(first[place]).casefold() for place, _ in asked]
    right = sum(answer == name for answer, (_, name) in zip(answers, asked, strict=True))
    given = Counter(answers)
    low, high = wilson_interval(right, len(asked)) if asked else (np.nan, np.nan)
    return pd.DataFrame(
        {
            "pictures": [len(asked)],
            "right": [right],
            "low": [low],
            "high": [high],
            "chance": [sum(given[name] for _, name in asked) / max(1, len(asked))],
            "guessing": [len(asked) / max(1, len(labels))],
        }
    )


def probabilities(
    similarity: Float[np.ndarray, "n c"], temperature: float
) -> Float[np.ndarray, "n c"]:
    """Softmax over each row of similarity / temperature."""
    return softmax(similarity / temperature, axis=1)


def nearest(
    query: Float[np.ndarray, " d"], candidates: Float[np.ndarray, "n d"], count: int
) -> tuple[Integer[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """The candidates most similar to the query, best first, and their cosine similarities.

    All are unit vectors. Ties go to the earlier candidate.
    """
    similarity = candidates.astype(np.float64) @ query.astype(np.float64)
    best = np.argsort(-similarity, kind="stable")[:count]
    return best, similarity[best]


def nearest_frame(
    query: Float[np.ndarray, " d"],
    candidates: Float[np.ndarray, "n d"],
    known: pd.DataFrame,
    count: int,
) -> pd.DataFrame:
    """The candidates most similar to the query, best first.

    Args:
      known: one row a candidate.

    Returns: rows of `known`, with their index, between the columns rank (from 1) and similarity
      (cosine).
    """
    best, similarity = nearest(query, candidates, count)
    frame = known.iloc[best]
    frame.insert(0, "rank", np.arange(1, len(best) + 1))
    return frame.assign(similarity=similarity)
