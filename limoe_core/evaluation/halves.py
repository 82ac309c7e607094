"""Pictures and texts of pairs, embedded separately under a change to the routers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Integer

from limoe_core.trace import IMAGE, TEXT

if TYPE_CHECKING:
    from limoe_core.inference import LoadedModel
    from limoe_core.model.limoe import Output
    from limoe_core.model.router import Intervention

#: Capacity factor with which no token is dropped; see `limoe_core.model.moe.MoE`.
_ROOM_FOR_ALL = 0.0
#: Maximum number of pairs in one forward pass.
_BATCH = 128


@dataclass(frozen=True)
class Halves:
    """Pictures and texts of pairs, embedded separately.

    Where every token has a slot, no token of one modality changes anything for the other, so the
    half that is not changed need not be computed again.
    """

    model: LoadedModel
    pixels: Float[np.ndarray, "N S S 3"]
    ids: Integer[np.ndarray, "N L"]

    @classmethod
    def of(cls, model: LoadedModel, images: Sequence[Any], texts: Sequence[str]) -> Halves:
        from limoe_core.data.preprocess import to_model_input

        config = model.config.model
        pixels = np.stack([to_model_input(image, config.image_size) for image in images])
        return cls(model, pixels, model.tokenizer.encode(list(texts), config.text_length))

    def part(self, some: slice) -> Halves:
        """Some of the pairs."""
        return Halves(self.model, self.pixels[some], self.ids[some])

    @property
    def temperature(self) -> float:
        """That of the model's contrastive loss."""
        return float(self.model.functional.bind(self.model.params).temperature)

    def embed(self, code: int, intervention: Intervention | None) -> Float[np.ndarray, "N d"]:
        """Embeddings of the pictures (0) or of the texts (1)."""
        outputs = self._run(code, intervention)
        found = [o.text_embeddings if code else o.image_embeddings for o in outputs]
        return np.concatenate([np.asarray(part) for part in found])

    def choices(self, code: int) -> Integer[np.ndarray, "L t"]:
        """First choice of each of the modality's real tokens, by layer."""
        found = []
        for output in self._run(code, None):
            valid = np.asarray(output.valid)
            found.append(
                np.stack([np.asarray(r.assignment.expert)[valid, 0] for r in output.routings])
            )
        return np.concatenate(found, axis=1)

    def first_choices(self, code: int) -> Integer[np.ndarray, "L E"]:
        """Number of the modality's tokens that choose each expert, by layer."""
        experts = self.model.config.model.experts
        return np.stack([np.bincount(row, minlength=experts) for row in self.choices(code)])

    def _run(self, code: int, intervention: Intervention | None) -> list[Output]:
        model = self.model
        found = []
        for start in range(0, len(self.ids), _BATCH):
            part = slice(start, start + _BATCH)
            pixels = self.pixels[part] if code == IMAGE else self.pixels[:0]
            ids = self.ids[part] if code == TEXT else self.ids[:0]
            found.append(
                model.functional.forward(
                    model.params,
                    pixels,
                    ids,
                    np.ones(len(pixels), bool),
                    intervention,
                    capacity_factor=_ROOM_FOR_ALL,
                    batch_priority=model.config.model.batch_priority,
                    hidden=False,
                )
            )
        return found
