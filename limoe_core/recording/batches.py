"""Batches of pairs as a model takes them, and what is known of their tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, UInt8

from limoe_core.recording.errors import RecordingError
from limoe_core.recording.pictures import SeenPicture, seen, tokens_of
from limoe_core.recording.prompts import Prompt, RecordedPair, Template
from limoe_core.recording.tokens import KINDS, Tokens, describe

#: The kind of the places that fill up a batch.
PADDING = len(KINDS)


@dataclass(frozen=True, eq=False)
class Batch:
    """B pairs, S places each, of which those without padding are tokens."""

    pairs: Sequence[RecordedPair]
    prompts: Sequence[Prompt]
    inputs: dict[str, Any]
    """What the model is called with."""
    tokens: Sequence[Tokens]
    """Of each pair."""
    pictures: Sequence[Sequence[SeenPicture]]
    """Of each pair."""
    real: Bool[np.ndarray, "B S"]
    """Places that are no padding."""
    kind: UInt8[np.ndarray, "B S"]
    """Places in `KINDS`, and `PADDING`."""
    for_image: Bool[torch.Tensor, " n"]
    """Of all B · S places: those that a router with experts for a modality takes for image."""

    def of_kind(self, kind: str) -> Bool[torch.Tensor, " n"]:
        """Which of all B · S places are of a kind."""
        return torch.from_numpy(self.kind.reshape(-1) == KINDS.index(kind))


class Batcher:
    """Puts pairs through the template and the processor of a model."""

    def __init__(self, model: Any, processor: Any, template: Template, size: int) -> None:
        """
        Args:
          size: pairs in a batch; one with and one without a picture are never in the same.

        Raises:
          RecordingError: the tokenizer cannot fill up batches of several pairs.
        """
        self._model, self._processor, self._template = model, processor, template
        self.tokenizer = getattr(processor, "tokenizer", processor)
        self._size = size
        if size < 1:
            raise RecordingError(f"a batch has at least one pair, not {size}")
        if size > 1 and self.tokenizer.pad_token is None:
            raise RecordingError(
                "the tokenizer has no token to fill up batches with; record one pair at a time"
            )

    def __call__(self, pairs: Iterable[RecordedPair]) -> Iterator[Batch]:
        """Batches in the order of the pairs; one is made at a time."""
        waiting: list[RecordedPair] = []
        for pair in pairs:
            if waiting and (
                len(waiting) == self._size or len(pair.pictures) != len(waiting[0].pictures)
            ):
                yield self._batch(waiting)
                waiting = []
            waiting.append(pair)
        if waiting:
            yield self._batch(waiting)

    def _batch(self, pairs: Sequence[RecordedPair]) -> Batch:
        prompts = [self._template(pair) for pair in pairs]
        # A chat template writes the marks of a tokenizer itself.
        marks = not self._template.is_chat
        settings: dict[str, Any] = {"return_tensors": "pt", "add_special_tokens": marks}
        if len(pairs) > 1:
            settings["padding"] = True
        if pairs[0].pictures:
            settings["images"] = [
                [picture.convert("RGB") for picture in pair.pictures] for pair in pairs
            ]
        found = dict(self._processor(text=[prompt.text for prompt in prompts], **settings))
        ids = found["input_ids"].numpy()
        mask = found.get("attention_mask")
        real = np.ones(ids.shape, bool) if mask is None else mask.numpy().astype(bool)
        of_image = self._of_image(ids, found) & real
        counts = tokens_of(found, self._processor) if pairs[0].pictures else None
        tokens, pictures, kind = [], [], np.full(ids.shape, PADDING, np.uint8)
        for row, (pair, prompt) in enumerate(zip(pairs, prompts, strict=True)):
            number = len(pair.pictures)
            first = row * number
            here = real[row]
            told = describe(
                ids[row][here],
                of_image[row][here],
                prompt,
                self.tokenizer,
                None if counts is None else counts[first : first + number],
                number,
                marks,
            )
            kind[row][here] = told.kind
            tokens.append(told)
            pictures.append(
                [
                    seen(found, self._processor, first + at, int((told.picture == at).sum()), own)
                    for at, own in enumerate(pair.pictures)
                ]
            )
        return Batch(
            pairs, prompts, found, tokens, pictures, real, kind, _for_image(found, of_image)
        )

    def _of_image(self, ids: np.ndarray, found: dict[str, Any]) -> np.ndarray:
        """The tokens of patches: those with the id that the model puts them in the place of."""
        config = self._model.config
        for name in ("image_token_id", "image_token_index"):
            if isinstance(number := getattr(config, name, None), int):
                return ids == number
        types = found.get("mm_token_type_ids")
        return np.zeros(ids.shape, bool) if types is None else types.numpy() == 1

    def on_device(self, batch: Batch) -> dict[str, Any]:
        """What the model is called with, where it is, with pixels in its precision."""
        device, kind = self._model.device, self._model.dtype
        return {
            name: value.to(device, kind if value.is_floating_point() else None)
            if isinstance(value, torch.Tensor)
            else value
            for name, value in batch.inputs.items()
        }


def _for_image(found: dict[str, Any], of_image: np.ndarray) -> Bool[torch.Tensor, " n"]:
    types = found.get("moe_mm_token_type_ids")
    flat = torch.from_numpy(of_image) if types is None else types.bool()
    return flat.reshape(-1)
