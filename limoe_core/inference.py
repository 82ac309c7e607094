"""A trained model ready to use: embeddings of pictures and texts, and traces of their routing."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float

from limoe_core import arguments
from limoe_core.config import Config, ModelConfig
from limoe_core.data.preprocess import Picture, to_model_input
from limoe_core.model.functional import FunctionalModel, Params
from limoe_core.model.limoe import Output
from limoe_core.model.router import Intervention
from limoe_core.model.tracing import to_trace
from limoe_core.runs.directory import Run, RunError
from limoe_core.trace import RoutingTrace

if TYPE_CHECKING:
    from limoe_core.tokenizer import Tokenizer

#: Most pictures or texts in one forward pass of `encode_images` and `encode_texts`.
_BATCH = 128


def load(run: str | os.PathLike[str] | Run, step: int | None = None) -> LoadedModel:
    """Open a run's model, at its newest step or another, on whatever devices are here.

    Raises:
      limoe_core.runs.directory.RunError: if there is no such run or step, or it is damaged.
      TypeError: if the step is not a whole number.
    """
    if step is not None:
        step = arguments.whole_number(step, "step")
    if not isinstance(run, Run):
        run = Run.open(Path(run))
    step = run.resolve_step(step)
    functional = FunctionalModel.of(run.config)
    params = functional.within_bounds(run.restore_params(step, functional.shapes))
    # By NumPy: JAX would compile a check for each of some thirty shapes.
    if not all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(params)):
        raise RunError(
            f"the parameters of {run.path} at step {step} are not all finite numbers: training "
            "diverged, or they are damaged; use an earlier step"
        )
    return LoadedModel(run.config, functional, params, run.tokenizer(), step, run)


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model with its parameters and tokenizer. Safe to use from several threads."""

    config: Config
    functional: FunctionalModel
    params: Params
    tokenizer: Tokenizer
    step: int
    run: Run | None = None

    def __repr__(self) -> str:
        model = self.config.model
        info = self.run.info if self.run else {}
        name = f"{self.run.name!r}, " if self.run else ""
        data = (info.get("data") or {}).get("name", self.config.data.name)
        lines = [
            f"LoadedModel({name}step {self.step})",
            f"{model.summary}; {self.functional.parameters:,} parameters",
            f"{model.image_size}×{model.image_size} pixels in {model.patches} patches; "
            f"up to {model.text_length} text tokens of {model.vocab_size:,} pieces",
            f"trained on {data}",
        ]
        if self.run is not None and self.run.origin is not None:
            lines.append(f"started from {self.run.origin}")
        return "\n  ".join(lines)

    def encode_images(self, images: Sequence[Picture]) -> Float[np.ndarray, "n d"]:
        """Embed pictures of any size: float32, unit length. No token is dropped by default.

        A PIL picture is turned upright by its EXIF record and converted by its colour profile.

        Raises:
          limoe_core.data.preprocess.PictureError: if one of them is not a picture.
          TypeError: if it is a single picture, or None is among them.
        """
        listed = arguments.pictures(images, "encode_images")
        size = self.config.model.image_size
        found = [
            self._encode_pixels(
                np.stack([to_model_input(image, size) for image in listed[i : i + _BATCH]])
            )
            for i in range(0, len(listed), _BATCH)
        ]
        return np.concatenate(found) if found else self._none()

    def encode_pixels(self, pixels: Float[np.ndarray, "n S S 3"]) -> Float[np.ndarray, "n d"]:
        """Embed pictures that are the model's input already, in [-1, 1].

        Raises:
          ValueError: if they are not floating point of this shape, finite and in [-1, 1].
        """
        return self._encode_pixels(arguments.pixels(pixels, self.config.model, "encode_pixels"))

    def _encode_pixels(self, pixels: np.ndarray) -> np.ndarray:
        found = []
        for i in range(0, len(pixels), _BATCH):
            batch = pixels[i : i + _BATCH]
            output = self._run(batch, self._no_texts())
            found.append(np.asarray(output.image_embeddings)[: len(batch)])
        return np.concatenate(found) if found else self._none()

    def encode_texts(self, texts: Sequence[str]) -> Float[np.ndarray, "n d"]:
        """Embed texts in any language: float32, unit length; zeros for a text without tokens.

        Raises:
          TypeError: if it is a single text, or one of them is no text.
        """
        listed = arguments.texts(texts, "encode_texts")
        found = []
        for i in range(0, len(listed), _BATCH):
            ids = self.tokenizer.encode(listed[i : i + _BATCH], self.config.model.text_length)
            output = self._run(self._no_pixels(), ids)
            found.append(np.asarray(output.text_embeddings)[: len(ids)])
        return np.concatenate(found) if found else self._none()

    def trace(
        self,
        images: Sequence[Picture | None],
        texts: Sequence[str | None],
        *,
        hidden: bool = False,
        meta: Mapping[str, Sequence[str]] | None = None,
        capacity_factor: float | None = None,
        batch_priority: bool | None = None,
        intervention: Intervention | None = None,
    ) -> RoutingTrace:
        """Every router's decisions about these pairs, routed together as one group.

        Args:
          images: one per pair; None for a pair without a picture.
          texts: one per pair; None or "" for a pair without a text.
          hidden: keep the routers' inputs.
          meta: what else is known of each pair, kept in the trace.
          capacity_factor: None for the configured one of a model in use, which by default drops
            nothing; `model.config.model.capacity_factor` for the one in training.
          batch_priority: None for the configured one.
          intervention: see `limoe_core.model.Intervention`; leading axis of MoE layers.

        Raises:
          limoe_core.data.preprocess.PictureError: if one of the images is not a picture.
          TypeError: if images or texts are a single one, or a text is none.
          ValueError: if there is no pair, or not as many texts as images; if `meta` has not one
            value a pair; if the capacity factor or the intervention does not fit the model.
        """
        pictures = arguments.pictures_of_pairs(images, "trace")
        listed = arguments.texts(texts, "trace", none=True)
        if len(pictures) != len(listed):
            raise ValueError(f"trace: {len(pictures)} images but {len(listed)} texts")
        options = _Options.checked(
            self.config.model,
            len(listed),
            hidden=hidden,
            meta=meta,
            capacity_factor=capacity_factor,
            batch_priority=batch_priority,
            intervention=intervention,
        )
        size = self.config.model.image_size
        blank = np.zeros((size, size, 3), np.float32)
        pixels = [blank if image is None else to_model_input(image, size) for image in pictures]
        valid = np.array([image is not None for image in pictures], bool)
        return self._trace(np.stack(pixels), listed, valid, options)

    def trace_pixels(
        self,
        pixels: Float[np.ndarray, "n S S 3"],
        texts: Sequence[str],
        *,
        image_valid: Bool[np.ndarray, " n"] | None = None,
        hidden: bool = False,
        meta: Mapping[str, Sequence[str]] | None = None,
        capacity_factor: float | None = None,
        batch_priority: bool | None = None,
        intervention: Intervention | None = None,
    ) -> RoutingTrace:
        """`trace` for pictures that are the model's input already.

        Raises:
          TypeError, ValueError: as `trace` and `encode_pixels`.
        """
        checked = arguments.pixels(pixels, self.config.model, "trace_pixels")
        listed = arguments.texts(texts, "trace_pixels")
        if len(checked) != len(listed):
            raise ValueError(f"trace_pixels: {len(checked)} images but {len(listed)} texts")
        options = _Options.checked(
            self.config.model,
            len(listed),
            hidden=hidden,
            meta=meta,
            capacity_factor=capacity_factor,
            batch_priority=batch_priority,
            intervention=intervention,
        )
        valid = np.ones(len(checked), bool)
        if image_valid is not None:
            valid = arguments.image_valid(image_valid, len(checked))
        return self._trace(checked, listed, valid, options)

    def _trace(
        self,
        pixels: np.ndarray,
        texts: list[str],
        image_valid: np.ndarray,
        options: _Options,
    ) -> RoutingTrace:
        model = self.config.model
        encoded = [self.tokenizer.encode_one(text, model.text_length) for text in texts]
        ids = np.zeros((len(texts), model.text_length), np.int32)
        for row, text in enumerate(encoded):
            ids[row, : len(text.ids)] = text.ids
        output = self._run(
            pixels,
            ids,
            image_valid=image_valid,
            capacity_factor=options.capacity_factor,
            batch_priority=options.batch_priority,
            intervention=options.intervention,
            hidden=options.hidden,
        )
        factor = options.capacity_factor
        return to_trace(
            output,
            self.config,
            image_valid,
            encoded,
            texts,
            options.meta,
            options.hidden,
            model.eval_capacity_factor if factor is None else factor,
        )

    def _run(
        self,
        pixels: np.ndarray,
        ids: np.ndarray,
        *,
        image_valid: np.ndarray | None = None,
        capacity_factor: float | None = None,
        batch_priority: bool | None = None,
        intervention: Intervention | None = None,
        hidden: bool = False,
    ) -> Output:
        """A forward pass over batches filled up to a few sizes, so that few shapes compile."""
        model = self.config.model
        if capacity_factor is None:
            capacity_factor = model.eval_capacity_factor
        if batch_priority is None:
            batch_priority = model.batch_priority
        if image_valid is None:
            image_valid = np.ones(len(pixels), bool)
        output = self.functional.forward(
            self.params,
            _fill(pixels),
            _fill(ids),
            _fill(image_valid),
            intervention,
            capacity_factor=capacity_factor,
            batch_priority=batch_priority,
            hidden=hidden,
        )
        return jax.device_get(output)

    def _no_texts(self) -> np.ndarray:
        return np.zeros((0, self.config.model.text_length), np.int32)

    def _no_pixels(self) -> np.ndarray:
        size = self.config.model.image_size
        return np.zeros((0, size, size, 3), np.float32)

    def _none(self) -> np.ndarray:
        return np.zeros((0, self.config.model.embed_dim), np.float32)


class _Options(NamedTuple):
    """What `trace` is asked beside pictures and texts, checked."""

    hidden: bool
    meta: Mapping[str, Sequence[str]]
    capacity_factor: float | None
    batch_priority: bool | None
    intervention: Intervention | None

    @classmethod
    def checked(
        cls,
        model: ModelConfig,
        pairs: int,
        *,
        hidden: bool,
        meta: Mapping[str, Sequence[str]] | None,
        capacity_factor: float | None,
        batch_priority: bool | None,
        intervention: Intervention | None,
    ) -> _Options:
        """As given, if all of it fits the model and this many pairs.

        Raises:
          ValueError: some of it does not, or there is no pair.
        """
        if not pairs:
            raise ValueError("a trace needs at least one pair of a picture and a text")
        if capacity_factor is not None:
            capacity_factor = arguments.capacity_factor(capacity_factor)
        if intervention is not None:
            arguments.intervention(intervention, model)
        if batch_priority is not None:
            batch_priority = arguments.truth(batch_priority, "batch_priority")
        meta = arguments.meta(meta, pairs)
        return cls(
            arguments.truth(hidden, "hidden"), meta, capacity_factor, batch_priority, intervention
        )


def _fill(rows: np.ndarray) -> np.ndarray:
    """Rows of zeros added up to the next power of two; none to none."""
    size = len(rows)
    full = 1 << (size - 1).bit_length() if size else 0
    return np.concatenate([rows, np.zeros((full - size, *rows.shape[1:]), rows.dtype)])
