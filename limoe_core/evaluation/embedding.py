"""Embeddings of whole splits and of class names, a batch at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from jaxtyping import Float, Integer

if TYPE_CHECKING:
    from limoe_core.data.pairs import ConceptTable, PictureStore
    from limoe_core.inference import LoadedModel

#: Texts that are embedded between two movements of the progress bar.
_TEXTS_AT_ONCE = 1024


class Encoder(Protocol):
    """The part of a model that is needed; `limoe_core.LoadedModel` has it."""

    def encode_images(self, images: Sequence[Any], /) -> Float[np.ndarray, "n d"]:
        """Unit vectors of uint8 pictures."""
        ...

    def encode_texts(self, texts: Sequence[str], /) -> Float[np.ndarray, "n d"]:
        """Unit vectors of texts."""
        ...


Progress = Callable[[str, Sequence[Any]], Iterator[Any]]
"""Goes through a sequence while it shows what is being done."""


def silent(label: str, items: Sequence[Any]) -> Iterator[Any]:
    """A `Progress` that shows nothing."""
    return iter(items)


def embed_pictures(
    model: Encoder,
    pictures: PictureStore,
    places: Integer[np.ndarray, " n"] | None = None,
    *,
    label: str = "pictures",
    batch: int = 256,
    progress: Progress = silent,
) -> Float[np.ndarray, "n d"]:
    """Embeddings of pictures, of which only a batch is in memory at a time.

    Args:
      places: which of them, in this order; None for all.
      label: what the progress bar says.
    """
    places = np.arange(len(pictures)) if places is None else places
    found = [
        model.encode_images(list(pictures.batch(places[start : start + batch])))
        for start in progress(label, range(0, len(places), batch))
    ]
    return np.concatenate(found or [model.encode_images([])]).astype(np.float32)


def embed_names(
    model: Encoder, table: ConceptTable, *, progress: Progress = silent
) -> dict[str, Float[np.ndarray, "C d"]]:
    """Embeddings of every concept's official name, by language.

    Where a concept has no name in a language, its name in the first one stands for it.
    """
    found: dict[str, Float[np.ndarray, "C d"]] = {}
    for language in progress("names", list(table.names)):
        names = np.asarray(table.names[language])
        spoken = names != ""
        if found and not spoken.all():
            found[language] = found[table.first_language].copy()
            if spoken.any():
                found[language][spoken] = model.encode_texts(names[spoken].tolist())
        else:
            found[language] = model.encode_texts(names.tolist())
    return found


def embed_ensemble(
    model: Encoder, names: Sequence[str], templates: Sequence[str]
) -> Float[np.ndarray, "C d"]:
    """Unit vectors of the mean embedding of each name in all templates."""
    total = sum(
        model.encode_texts([template.format(name) for name in names]) for template in templates
    )
    return total / np.linalg.norm(total, axis=1, keepdims=True).clip(1e-12)


def embed_texts(
    model: Encoder, texts: Sequence[str], *, label: str = "texts", progress: Progress = silent
) -> Float[np.ndarray, "n d"]:
    """Embeddings of many texts."""
    found = [
        model.encode_texts(texts[start : start + _TEXTS_AT_ONCE])
        for start in progress(label, range(0, len(texts), _TEXTS_AT_ONCE))
    ]
    return np.concatenate(found or [model.encode_texts([])])


def in_float32(model: LoadedModel) -> LoadedModel:
    """The same model computing in float32, whatever it was trained in."""
    from limoe_core.model.functional import FunctionalModel

    if model.config.model.dtype == "float32":
        return model
    settings = dataclasses.replace(model.config.model, dtype="float32", residual_dtype="float32")
    config = dataclasses.replace(model.config, model=settings)
    return dataclasses.replace(model, config=config, functional=FunctionalModel.of(config))
